/**
 * What the page and the engine in the worker say to each other. The page asks (`Asked`, each with an answer) and wishes
 * (`show`: only the last one counts); the engine tells (`Told`). Typed arrays travel, objects only by the handful.
 */
import type { SentError } from '../client/errors';
import type { Filters, Progress } from '../client/rows';
import type { Instant, Interval } from '../instants';
import type { Colouring, Direction, Key, Op, Slot, State, TableRule } from '../fold/types';

/** The world at an instant, as the page draws it. Its arrays are as long as there are entities with a position. */
export interface Frame {
  /** Counts up with every frame; 0: nothing was shown yet. */
  readonly version: number;
  readonly at: Instant;
  /** Ascending. */
  readonly slots: Uint32Array;
  /** Web mercator, 0 to 1 from the north-west corner (`fold/mercator.ts` turns it into degrees). */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Degrees clockwise from north; NaN: it has none. */
  readonly heading: Float32Array;
  /** Index into `groups`: what its colour says. */
  readonly group: Uint8Array;
  readonly groups: readonly string[];
  /** Slots of all entities, also those without position, that changed since the last frame; at most `MOST_CHANGED`. */
  readonly changed: Uint32Array;
  /** How many there are, table by table, also those without position. */
  readonly tables: readonly TableCount[];
  /** Tables of which the server may not have all. */
  readonly incomplete: readonly string[];
}

/** More than so many changed at once are not listed one by one: nobody sees them flash. */
export const MOST_CHANGED = 5_000;
/** Values of a column beyond so many share the last group, "other". */
export const MOST_GROUPS = 12;

export interface TableCount {
  readonly table: string;
  readonly entities: number;
  readonly positioned: number;
}

/** An entity in full, at the instant that is shown. */
export interface EntityView {
  readonly key: Key;
  readonly slot: Slot;
  readonly table: string;
  readonly id: string;
  /** null: it does not exist at that instant. */
  readonly state: State | null;
  readonly op: Op | null;
  /** When it became what it is. */
  readonly since: Instant | null;
  /** Degrees; null: no position. */
  readonly lon: number | null;
  readonly lat: number | null;
  readonly label: string;
}

export interface RowsQuery {
  /** null: of all tables. */
  readonly table: string | null;
  /** Found anywhere in the id or the state, in any case. */
  readonly search?: string;
  /** By column; the text is what the cell holds, in any case. */
  readonly filters?: readonly { readonly column: string; readonly text: string }[];
  /** `id`, `since`, `table` or a column of the state; none: in an order of its own, which does not change. */
  readonly sort?: { readonly column: string; readonly descending: boolean };
  readonly offset: number;
  readonly limit: number;
}

export interface RowsPage {
  readonly at: Instant;
  readonly version: number;
  readonly total: number;
  readonly offset: number;
  readonly columns: readonly string[];
  readonly rows: readonly EntityRow[];
}

export interface EntityRow {
  readonly slot: Slot;
  readonly key: Key;
  readonly table: string;
  readonly id: string;
  readonly since: Instant;
  readonly state: State;
}

/** Where one entity went; `at`, `x` and `y` are as long as it has positions. */
export interface Trail {
  readonly slot: Slot;
  readonly at: Float64Array;
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** false: the server did not say where it was before; it can be asked again. */
  readonly whole: boolean;
}

/** How two instants differ. */
export interface Comparison {
  readonly a: Instant;
  readonly b: Instant;
  readonly created: readonly EntityRow[];
  readonly deleted: readonly EntityRow[];
  readonly changed: readonly ChangedRow[];
}

export interface ChangedRow {
  readonly key: Key;
  readonly table: string;
  readonly id: string;
  readonly before: State;
  readonly after: State;
  /** Names of the fields that differ. */
  readonly fields: readonly string[];
}

/** What the engine is built with. */
export interface EngineOptions {
  readonly baseUrl: string;
  readonly budgetBytes: number;
}

/** What is replayed; a new one empties the buffer. What is shown stays until the first moment of it is there. */
export interface Content {
  readonly filters: Filters;
  /** Nothing but these fields of the states is fetched, and the rest of an entity when it is opened; null: all. */
  readonly fields: readonly string[] | null;
  /** Tables in the order of their colours, which is the same in every window; others come after them as they are met. */
  readonly tables: readonly string[];
}

/** Every question, and what is answered. */
export interface Calls {
  configure(content: Content): void;
  /** Rules that the user has changed, by table; others are detected. */
  setRules(rules: Readonly<Record<string, TableRule>>): void;
  setColouring(colouring: Colouring): void;
  /** The rules in use, detected or given. */
  rules(): Readonly<Record<string, TableRule>>;
  entity(key: Key): EntityView;
  entityAt(slot: Slot): EntityView | null;
  labels(slots: Uint32Array): readonly string[];
  rows(query: RowsQuery): RowsPage;
  trails(slots: Uint32Array, window: Interval): readonly Trail[];
  /** The next instant after (or before) another at which anything, or one entity, changes; null: none in reach. */
  step(from: Instant, direction: Direction, key: Key | null, reach: Interval): Instant | null;
  compare(a: Instant, b: Instant): Comparison;
}

export type CallName = keyof Calls;
export type Answer<Name extends CallName> = ReturnType<Calls[Name]>;

/** Where the page wants to be; only the last wish is fulfilled. */
export interface Wish {
  readonly number: number;
  readonly at: Instant;
  readonly direction: Direction;
  /** Times as fast as it happened; 0: it stands still. */
  readonly speed: number;
  /** Nothing is fetched beyond it. */
  readonly range: Interval;
}

/** From the page. */
export type Said =
  | { readonly kind: 'begin'; readonly options: EngineOptions }
  | { readonly kind: 'token'; readonly number: number; readonly token: string | undefined }
  | { readonly kind: 'session'; readonly id: string | undefined }
  | { readonly kind: 'show'; readonly wish: Wish }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'call'; readonly number: number; readonly name: CallName; readonly args: readonly unknown[] };

/** From the engine. */
export type Told =
  | { readonly kind: 'frame'; readonly wish: number; readonly frame: Frame }
  | { readonly kind: 'buffered'; readonly intervals: readonly Interval[]; readonly bytes: number }
  | { readonly kind: 'progress'; readonly loading: boolean; readonly progress: Progress }
  /** Loading has failed; it is tried again, if that can help. */
  | { readonly kind: 'failed'; readonly error: SentError; readonly retryIn: number | null }
  | { readonly kind: 'recovered' }
  /** A token is wanted; `renew`: the last one was refused. */
  | { readonly kind: 'token'; readonly number: number; readonly renew: boolean }
  | { readonly kind: 'answer'; readonly number: number; readonly value?: unknown; readonly error?: SentError };

export const NO_FRAME: Frame = {
  version: 0,
  at: 0,
  slots: new Uint32Array(),
  x: new Float64Array(),
  y: new Float64Array(),
  heading: new Float32Array(),
  group: new Uint8Array(),
  groups: [],
  changed: new Uint32Array(),
  tables: [],
  incomplete: [],
};
