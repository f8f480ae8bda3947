import fc from 'fast-check';
import type { Op, Row } from '../client/rows';
import { render, type Instant, type Interval } from '../instants';
import { keyOf, type Change } from './types';

/** A recording for tests: every change there was, in order, and what follows from it in the plainest way. */
export class Model {
  constructor(readonly history: readonly Change[]) {}

  /** Every live entity's change, as the server tells it. */
  state(at: Instant): Change[] {
    const found = new Map<string, Change>();
    for (const change of this.history) {
      if (change.at > at) break;
      const key = keyOf(change.table, change.id);
      found.delete(key);
      if (change.state) found.set(key, change);
    }
    return [...found.values()];
  }

  events({ start, end }: Interval): Change[] {
    return this.history.filter((change) => change.at > start && change.at <= end);
  }

  /** Each live entity's number, as `toNumbers` has it of a world. */
  numbers(at: Instant): Record<string, unknown> {
    return Object.fromEntries(this.state(at).map((one) => [keyOf(one.table, one.id), one.state?.['n']]));
  }

  next(from: Instant, direction: 1 | -1, key: string | null): Instant | null {
    const own = this.history.filter((one) => key === null || keyOf(one.table, one.id) === key);
    const found = direction > 0 ? own.find((one) => one.at > from) : own.findLast((one) => one.at < from);
    return found?.at ?? null;
  }
}

/** A change as a row of an answer. */
export function rowOf(change: Change): Row {
  return {
    entity_id: change.id,
    entity_state: change.state,
    op: change.op,
    event_timestamp: render(change.at),
    table_name: change.table,
  };
}

/** Histories within an interval: entities come, change, go and come again, several at one instant. */
export function histories({ start, end }: Interval, most = 120): fc.Arbitrary<Model> {
  const one = fc.record({
    at: fc.integer({ min: start + 1, max: end }),
    table: fc.constantFrom('air.flight', 'sea.vessel'),
    id: fc.constantFrom('1', '2', '3', '4:x'),
    dies: fc.boolean(),
    crowd: fc.boolean(),
  });
  return fc.array(one, { maxLength: most }).map((drawn) => {
    const ordered = drawn.sort((a, b) => a.at - b.at);
    const lives = new Set<string>();
    let last = start + 1;
    const history = ordered.map((each, n): Change => {
      const at = each.crowd ? last : each.at;
      last = at;
      const key = keyOf(each.table, each.id);
      const op: Op = lives.has(key) ? (each.dies ? 'd' : 'u') : 'c';
      if (op === 'd') lives.delete(key);
      else lives.add(key);
      const state = op === 'd' ? null : { n, lon: n % 180, lat: n % 90 };
      return { table: each.table, id: each.id, op, at, state, bytes: 100 };
    });
    return new Model(history);
  });
}
