import { MsrError } from '../client/errors';
import { sourceOf, unwrap, type ReplayClient, type Schemas } from '../client/client';
import { splitKey, type Key, type Op } from '../fold/types';
import { parse, render, type Instant, type Interval } from '../instants';

/** So many changes are asked for at once. */
export const PAGE = 50;

/** What happened to an entity at an instant. */
export interface Happening {
  readonly at: Instant;
  readonly op: Op;
  readonly changed: readonly FieldChange[];
}

export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface HappeningPage {
  /** In order, oldest first. */
  readonly found: readonly Happening[];
  /** How many there are in the window. */
  readonly total: number;
}

/** Page `number` (from 1) of what happened to an entity within a window. */
export type AskHistory = (key: Key, window: Interval, number: number) => Promise<HappeningPage>;

/**
 * The history of one entity around an instant. What is before it and what is after it are two windows, of which pages
 * are read away from the instant: backwards from the end of the first, forwards from the start of the second.
 */
export class EntityHistory {
  /** Newest first. */
  entries = $state.raw<readonly Happening[]>([]);
  key = $state.raw<Key | null>(null);
  loading = $state.raw(false);
  error = $state.raw<MsrError | null>(null);
  /** Between which instants it was asked for. */
  window = $state.raw<Interval | null>(null);
  /** How many changes there are in the window that are not read, on either side. */
  older = $state.raw(0);
  newer = $state.raw(0);

  #middle: Instant = 0;
  #olderPage = 0;
  #newerPage = 0;
  #newerTotal = 0;
  #run = 0;

  constructor(private readonly ask: AskHistory) {}

  /** Whether an instant lies within what was read, so that nothing must be asked for to show what is around it. */
  covers(at: Instant): boolean {
    const { window, entries } = this;
    if (!window || at < window.start || at > window.end) return false;
    const tooOld = this.older > 0 && at < entries.at(-1)!.at;
    const tooNew = this.newer > 0 && at > entries[0]!.at;
    return !tooOld && !tooNew;
  }

  /** Read what is around an instant. */
  async open(key: Key, at: Instant, window: Interval): Promise<void> {
    const same = key === this.key;
    this.key = key;
    this.window = window;
    this.#middle = Math.min(window.end, Math.max(window.start, at));
    if (!same) [this.entries, this.older, this.newer] = [[], 0, 0];
    await this.#load(async () => {
      const [before, after] = await Promise.all([this.#last(key), this.ask(key, this.#after, 1)]);
      return () => {
        this.entries = [...after.found.toReversed(), ...before.found.toReversed()];
        [this.#olderPage, this.older] = [before.page, before.left];
        [this.#newerPage, this.#newerTotal] = [1, after.total];
        this.newer = after.total - after.found.length;
      };
    });
  }

  async readOlder(): Promise<void> {
    const key = this.key;
    if (key === null || this.older === 0) return;
    await this.#load(async () => {
      const { found } = await this.ask(key, this.#before, this.#olderPage - 1);
      return () => {
        this.entries = [...this.entries, ...found.toReversed()];
        this.#olderPage--;
        this.older = Math.max(0, this.older - found.length);
      };
    });
  }

  async readNewer(): Promise<void> {
    const key = this.key;
    if (key === null || this.newer === 0) return;
    await this.#load(async () => {
      const { found } = await this.ask(key, this.#after, this.#newerPage + 1);
      return () => {
        this.entries = [...found.toReversed(), ...this.entries];
        this.#newerPage++;
        this.newer = Math.max(0, this.#newerTotal - this.#newerPage * PAGE);
      };
    });
  }

  clear(): void {
    this.#run++;
    this.key = null;
    [this.entries, this.older, this.newer] = [[], 0, 0];
    [this.window, this.error, this.loading] = [null, null, false];
  }

  get #before(): Interval {
    return { start: this.window!.start, end: this.#middle };
  }

  get #after(): Interval {
    return { start: this.#middle, end: this.window!.end };
  }

  /** The newest up to the middle: the last page, and the one before it if that has but a few. */
  async #last(key: Key): Promise<{ found: Happening[]; page: number; left: number }> {
    const first = await this.ask(key, this.#before, 1);
    let page = Math.max(1, Math.ceil(first.total / PAGE));
    let found = page === 1 ? [...first.found] : [...(await this.ask(key, this.#before, page)).found];
    if (page > 1 && found.length < PAGE / 2) {
      const more = --page === 1 ? first : await this.ask(key, this.#before, page);
      found = [...more.found, ...found];
    }
    return { found, page, left: (page - 1) * PAGE };
  }

  /** Do something of which only the last counts. */
  async #load(work: () => Promise<() => void>): Promise<void> {
    const run = ++this.#run;
    this.loading = true;
    try {
      const take = await work();
      if (run !== this.#run) return;
      take();
      this.error = null;
    } catch (error) {
      if (run === this.#run) this.error = MsrError.of(error);
    }
    if (run === this.#run) this.loading = false;
  }
}

/** Ask the server: for what is recorded, or for a clip. */
export function historyOf(client: ReplayClient, clip: () => string | undefined): AskHistory {
  return async (key, window, number) => {
    if (window.end <= window.start) return { found: [], total: 0 };
    const { table, id: entity } = splitKey(key);
    const range = { start: render(window.start), end: render(window.end), page: String(number), size: String(PAGE) };
    const query = { ...range, ...sourceOf(clip()) };
    const { data, page } = await unwrap(
      client.api.GET('/replay/entity/{table}/{entity}', { params: { path: { table, entity }, query } }),
    );
    return { found: data.map(happening), total: page.total_records };
  };
}

function happening(event: Schemas['EntityEventView']): Happening {
  const changed = Object.entries(event.changed);
  return {
    at: parse(event.event_timestamp),
    op: event.op as Op,
    changed: changed.map(([field, { before, after }]) => ({ field, before, after })),
  };
}

/** The longest window around an instant that the server answers, within a range. */
export function windowAround(at: Instant, range: Interval, longest: number): Interval {
  const start = Math.max(range.start, Math.min(at - longest / 2, range.end - longest));
  return { start: Math.floor(start), end: Math.min(range.end, Math.floor(start) + longest) };
}
