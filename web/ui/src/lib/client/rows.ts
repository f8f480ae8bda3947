import type { Instant } from '../instants';

/** Created, read by a snapshot, updated, deleted. */
export type Op = 'c' | 'r' | 'u' | 'd';

/** What a row of a table holds. */
export type State = Readonly<Record<string, unknown>>;

/** A row of `/replay/state` or `/replay/events` as it arrives: one line of NDJSON. */
export interface Row {
  readonly entity_id: string;
  readonly entity_state: State | null;
  readonly op: Op;
  readonly event_timestamp: string;
  readonly source_timestamp?: string;
  readonly table_name: string;
  readonly unavailable_fields?: readonly string[];
}

/** A row of `/replay/diff`: what has become of an entity between two instants. */
export interface DiffRow {
  readonly table_name: string;
  readonly entity_id: string;
  readonly event_timestamp: string;
  readonly change: 'created' | 'changed' | 'deleted';
  /** As it is if it was created, as it was if it is deleted; as it is if it has changed and fields were named. */
  readonly entity_state?: State | null;
  /** Field by field what was and what is; a side that is not there: the field was not. */
  readonly changed?: Readonly<Record<string, { readonly before?: unknown; readonly after?: unknown }>> | null;
  readonly unavailable_fields?: readonly string[] | null;
}

/** The last line of such an answer. */
export interface Ending {
  readonly count: number;
  /** Tables of which the answer may not have all. */
  readonly incomplete: readonly string[];
  readonly sent_at: string;
}

/** How far an answer has come; `bytes` are those after decompression. */
export interface Progress {
  readonly rows: number;
  readonly bytes: number;
}

/** What is left out of an answer; nothing given: everything is in it. */
export interface Filters {
  /** Only these tables, `schema.table`. */
  readonly tables?: readonly string[];
  /** Only these entities, `schema.table:id`; the server takes a hundred at a time. */
  readonly entities?: readonly string[];
  /** Only these fields of each state. */
  readonly fields?: readonly string[];
  /** Only what lies in this box: west, south, east, north. */
  readonly bbox?: readonly [number, number, number, number];
  /** A clip instead of the recording. */
  readonly clip?: string;
  /** Left out of states, and of events: what is older, of some tables; other tables are untouched. */
  readonly oldStates?: OldRows;
  readonly oldEvents?: OldRows;
}

/** Rows of these tables from before an instant. */
export interface OldRows {
  readonly tables: readonly string[];
  readonly before: Instant;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** What an answer says beside its rows. */
export interface Closing {
  readonly ending: Ending;
  readonly settledUntil: Instant | null;
}
