import type { RowStream } from '../client/client';
import type { Direction, Key } from '../fold/types';
import { parse, SECOND, type Instant, type Interval } from '../instants';

/** The first window that is looked through, microseconds; each further one is longer. */
const FIRST = 60 * SECOND;

/** What is looked for: a change after (or before) `from`, of anything or one entity; nothing is between it and `edge`. */
export interface Search {
  readonly from: Instant;
  readonly edge: Instant;
  readonly direction: Direction;
  readonly key: Key | null;
  readonly reach: Interval;
}

/** The instant of the next change, window after window as far as it may be looked; null: there is none. */
export async function nextChange(events: (window: Interval) => RowStream, search: Search): Promise<Instant | null> {
  const { direction, reach } = search;
  let edge = search.edge;
  for (let length = FIRST; ; length *= 4) {
    const far = direction > 0 ? Math.min(reach.end, edge + length) : Math.max(reach.start, edge - length);
    if ((far - edge) * direction <= 0) return null;
    const window = direction > 0 ? { start: edge, end: far } : { start: far, end: edge };
    const found = await changeIn(events(window), search);
    if (found !== null) return found;
    edge = far;
  }
}

async function changeIn(stream: RowStream, { from, direction, key }: Search): Promise<Instant | null> {
  let found: Instant | null = null;
  for await (const rows of stream) {
    for (const row of rows) {
      const at = parse(row.event_timestamp);
      if ((at - from) * direction <= 0 || (key !== null && `${row.table_name}:${row.entity_id}` !== key)) continue;
      if (direction > 0) return at; // the rest is not read
      found = at;
    }
  }
  return found;
}
