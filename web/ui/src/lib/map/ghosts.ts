import type { Difference } from '../compare/differences';
import { xOf, yOf } from '../fold/mercator';
import { labelOf, placeOf } from '../fold/positions';
import type { Point, State, TableRule } from '../fold/types';

/** An entity that two instants differ by; `from`: where it was before, if it was elsewhere. */
export interface Ghost extends Point {
  readonly kind: Difference['kind'];
  readonly label: string;
  readonly from: Point | null;
}

/** What of the differences can be shown on the map: as far as they say where they are. */
export function ghostsOf(
  differences: readonly Difference[],
  rules: Readonly<Record<string, TableRule>>,
): readonly Ghost[] {
  return differences.flatMap((one) => {
    const rule = rules[one.table];
    const point = pointOf(rule, one.state);
    if (!point) return [];
    const from = one.kind === 'changed' ? pointOf(rule, stateBefore(one)) : null;
    const moved = from !== null && (from.x !== point.x || from.y !== point.y);
    return [{ ...point, kind: one.kind, label: labelOf(rule, one.id, one.state), from: moved ? from : null }];
  });
}

function stateBefore({ state, fields }: Difference): State {
  return { ...state, ...Object.fromEntries(fields.map(({ field, before }) => [field, before])) };
}

function pointOf(rule: TableRule | undefined, state: State): Point | null {
  const place = rule?.position ? placeOf(rule.position, state) : null;
  return place && { x: xOf(place.lon), y: yOf(place.lat) };
}
