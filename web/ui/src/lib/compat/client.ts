import { createReplay, unwrap, type ReplayClient, type RowStream, type Schemas } from '../client/client';
import type { Filters, Op, Row, State } from '../client/rows';
import { DAY, fromDate, toDate, parse } from '../instants';

/** Where the host's handler is, unless `configureMsr` says something else. */
export const BASE_URL = '/aoh/msr/api';

let client: ReplayClient | undefined;

/** Use another address or client than the host's own handler. */
export function configureMsr(given: ReplayClient | { readonly baseUrl: string }): void {
  client = 'api' in given ? given : createReplay(given);
}

/** The client that everything here uses. */
export function msrClient(): ReplayClient {
  return (client ??= createReplay({ baseUrl: BASE_URL }));
}

const OPERATIONS = { c: 'create', r: 'read', u: 'update', d: 'delete' } as const satisfies Record<Op, string>;

export interface ReplayEvent {
  readonly entityId: string;
  readonly entityState: State | null;
  readonly operation: (typeof OPERATIONS)[Op];
  readonly timestamp: string;
  readonly tableName: string;
}

export interface PlaybackRange {
  readonly maxDays: number;
  readonly startDate: Date;
  readonly endDate: Date;
  readonly earliestValidDate?: Date;
}

export async function createSession(): Promise<{ sessionId: string }> {
  const { data } = await unwrap(msrClient().api.POST('/session', {}));
  return { sessionId: data.id };
}

export async function terminateSession(id: string): Promise<void> {
  await unwrap(msrClient().api.POST('/session/{id}/terminate', { params: { path: { id } } }));
}

/** The own sessions that are active. */
export async function getActiveSessions(): Promise<Schemas['SessionView'][]> {
  const { data } = await unwrap(msrClient().api.GET('/session', { params: { query: { size: '1000' } } }));
  return data.filter((session) => session.status === 'ACTIVE');
}

/** Between which days a replay may begin. */
export async function getPlaybackRange(): Promise<PlaybackRange> {
  const [settings, range] = await Promise.all([
    unwrap(msrClient().api.GET('/admin/settings', {})),
    msrClient().range(),
  ]);
  const maxDays = settings.data.max_playback_range ?? range.longestWindow / DAY;
  const earliest = settings.data.earliest_valid_timestamp;
  return {
    maxDays,
    startDate: toDate(range.earliest),
    endDate: toDate(range.settledUntil ?? range.now),
    ...(earliest ? { earliestValidDate: toDate(parse(earliest)) } : {}),
  };
}

/** The state of every entity that lives at a moment. */
export function getInitialState(at: Date, filters: Filters = {}): Promise<ReplayEvent[]> {
  return gathered(msrClient().state(fromDate(at), filters));
}

/** What changes after one moment and up to another, in order. */
export function getReplayEvents(start: Date, end: Date, filters: Filters = {}): Promise<ReplayEvent[]> {
  return gathered(msrClient().events({ start: fromDate(start), end: fromDate(end) }, filters));
}

async function gathered(rows: RowStream): Promise<ReplayEvent[]> {
  const found: ReplayEvent[] = [];
  for await (const some of rows) for (const row of some) found.push(eventOf(row));
  return found;
}

function eventOf(row: Row): ReplayEvent {
  return {
    entityId: row.entity_id,
    entityState: row.entity_state,
    operation: OPERATIONS[row.op],
    timestamp: row.event_timestamp,
    tableName: row.table_name,
  };
}
