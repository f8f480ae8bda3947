import { xOf, yOf } from '../fold/mercator';
import { labelOf, placeOf } from '../fold/positions';
import type { Point, State, TableRule } from '../fold/types';
import type { Comparison } from '../worker/protocol';

/** An entity that two instants differ by; `from`: where it was before. */
export interface Ghost extends Point {
  readonly kind: 'created' | 'deleted' | 'changed';
  readonly label: string;
  readonly from: Point | null;
}

function pointOf(rule: TableRule | undefined, state: State): Point | null {
  const place = rule?.position ? placeOf(rule.position, state) : null;
  return place && { x: xOf(place.lon), y: yOf(place.lat) };
}

/** What of a comparison can be shown on the map. */
export function ghostsOf(comparison: Comparison, rules: Readonly<Record<string, TableRule>>): Ghost[] {
  const { created, deleted, changed } = comparison;
  const all = [
    ...deleted.map((row) => ({ ...row, kind: 'deleted' as const, before: null, after: row.state })),
    ...created.map((row) => ({ ...row, kind: 'created' as const, before: null, after: row.state })),
    ...changed.map((row) => ({ ...row, kind: 'changed' as const })),
  ];
  return all.flatMap(({ kind, table, id, before, after }) => {
    const rule = rules[table];
    const point = pointOf(rule, after);
    if (!point) return [];
    const from = before && pointOf(rule, before);
    return [{ ...point, kind, label: labelOf(rule, id, after), from }];
  });
}
