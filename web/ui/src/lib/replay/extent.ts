import { sourceOf, unwrap, type Range, type ReplayClient, type Schemas } from '../client/client';
import { parse, type Interval } from '../instants';

type Tables = readonly Schemas['SeenTableView'][];

/** What there is to replay: of the recording, or of a clip. */
export interface Extent {
  readonly tables: Tables;
  readonly range: Range;
}

/** Ask the server which tables there are. */
export async function tablesOf(client: ReplayClient, clip: string | undefined): Promise<Tables> {
  return (await unwrap(client.api.GET('/replay/tables', { params: { query: sourceOf(clip) } }))).data;
}

/** From the first moment that can be shown to the settled limit; null: nothing is settled yet. */
export function intervalOf({ tables, range }: Extent, clip: string | undefined): Interval | null {
  const { earliest, settledUntil: end } = range;
  if (end === null) return null;
  // A clip holds the state at its beginning, also of what changed before it.
  if (clip !== undefined) return { start: Math.min(earliest, end), end };
  // Of a table without a first change retention has left no change: it goes back as far as one may see.
  const first = (change: string | null): number => (change === null ? earliest : parse(change));
  const recorded = Math.min(...tables.map((table) => first(table.first_change_at)));
  const start = Number.isFinite(recorded) ? Math.max(earliest, recorded) : earliest;
  return { start: Math.min(start, end), end };
}
