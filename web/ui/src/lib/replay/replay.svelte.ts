import { parse, SECOND, type Instant, type Interval } from '../instants';
import { MsrError } from '../client/errors';
import { unwrap, type ReplayClient, type Schemas } from '../client/client';
import type { Filters, Progress } from '../client/rows';
import type { Colouring, Direction, Key, Slot, TableRule } from '../fold/types';
import { NO_FRAME, type Comparison, type EntityView, type Frame } from '../worker/protocol';
import type { EnginePort, Listener } from '../worker/port';
import { Bookmarking } from './bookmarking.svelte';
import { PassingBookmarks, type Bookmark, type BookmarkStore, type Said } from './bookmarks';
import { browserTicker, type Ticker } from './clock';
import { Playhead } from './playhead.svelte';

/** How often the server is asked how far the past is settled, milliseconds. */
const RANGE_EVERY = 2_000;
export type Status = 'loading' | 'playing' | 'paused' | 'buffering' | 'error';

/** How the engine was asked to colour, what is left out, and which entity is followed: what a link or session keeps. */
export interface ReplayOptions {
  readonly client: ReplayClient;
  readonly engine: EnginePort;
  readonly ticker?: Ticker;
  readonly bookmarks?: BookmarkStore;
}

/**
 * A replay: what is shown, and one method for each command. Buttons, keys and links call the same methods
 * (`commands.ts`, `link.ts`). Nothing here touches the DOM.
 */
export class Replay extends Playhead {
  /** The server's clock, as last heard; between `range.end` and here is what happened but is not settled. */
  serverNow = $state.raw<Instant | null>(null);
  /** The longest window that the server answers, microseconds. */
  longestWindow = $state.raw(7 * 86_400 * SECOND);
  /** The tables that may be seen, with their columns. */
  tables = $state.raw<readonly Schemas['SeenTableView'][]>([]);

  filters = $state.raw<Filters>({});
  colouring = $state.raw<Colouring>({ by: 'table' });
  /** How rows become points, by table. */
  rules = $state.raw<Readonly<Record<string, TableRule>>>({});

  frame = $state.raw<Frame>(NO_FRAME);
  /** What can be shown without the network. */
  buffered = $state.raw<readonly Interval[]>([]);
  bufferedBytes = $state.raw(0);
  loading = $state.raw(false);
  progress = $state.raw<Progress>({ rows: 0, bytes: 0 });
  error = $state.raw<MsrError | null>(null);
  /** Milliseconds after which what failed is tried again; null: it is not. */
  retryIn = $state.raw<number | null>(null);

  selection = $state.raw<Key | null>(null);
  /** The selected entity at the instant that is shown. */
  selected = $state.raw<EntityView | null>(null);
  comparison = $state.raw<Comparison | null>(null);
  comparing = $state.raw<{ readonly a: Instant; readonly b: Instant } | null>(null);

  /** Whether what is shown is what we want to see. */
  readonly arrived = $derived(this.frame.version > 0 && this.frame.at === this.playhead);
  readonly settled = $derived(this.range?.end ?? null);
  readonly status: Status = $derived.by(() => {
    if (this.error && !this.error.isRetryable) return 'error';
    if (this.frame.version === 0) return this.error ? 'error' : 'loading';
    if (this.waiting) return 'buffering';
    return this.playing ? 'playing' : 'paused';
  });
  readonly entities = $derived(this.frame.tables.reduce((sum, one) => sum + one.entities, 0));

  readonly client: ReplayClient;
  readonly #bookmarks: Bookmarking;
  #ends: (() => void)[] = [];
  #rangeAt = -Infinity;

  constructor(options: ReplayOptions) {
    super(options.engine, options.ticker ?? browserTicker);
    this.client = options.client;
    this.#bookmarks = new Bookmarking(options.bookmarks ?? new PassingBookmarks());
    this.#ends.push(this.engine.listen((told) => this.#hear(told)));
  }

  /** Learn what there is and show a moment of it: the given one, or the newest. */
  async open(at?: Instant): Promise<void> {
    await this.engine.call('configure', { filters: this.filters });
    await this.refresh();
    if (this.range) this.seek(at ?? this.range.end);
    this.#ends.push(this.run());
    await this.#attempt(() => this.#bookmarks.read());
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
    this.engine.close();
  }

  /** Ask the server anew how far the past reaches, and which tables there are. */
  async refresh(): Promise<void> {
    await this.#attempt(async () => {
      const { data } = await unwrap(this.client.api.GET('/replay/tables', {}));
      this.tables = data;
      await this.#readRange();
    });
  }

  /** Go to the next (or the one before) moment at which something changes: anything, or the selected entity. */
  async step(direction: Direction, of: 'anything' | 'selection' = 'anything'): Promise<void> {
    const range = this.range;
    const key = of === 'selection' ? this.selection : null;
    if (!range || (of === 'selection' && key === null)) return;
    this.pause();
    await this.#attempt(async () => {
      const found = await this.engine.call('step', this.playhead, direction, key, range);
      if (found !== null) this.seek(found);
    });
  }

  // What is seen

  async setFilters(filters: Filters): Promise<void> {
    this.filters = filters;
    await this.#attempt(async () => {
      await this.engine.call('configure', { filters });
      this.show();
    });
  }

  async setRule(table: string, rule: TableRule): Promise<void> {
    this.rules = { ...this.rules, [table]: rule };
    await this.#attempt(async () => {
      await this.engine.call('setRules', this.rules);
      this.show();
    });
  }

  async setColouring(colouring: Colouring): Promise<void> {
    this.colouring = colouring;
    await this.#attempt(async () => {
      await this.engine.call('setColouring', colouring);
      this.show();
    });
  }

  async select(key: Key | null): Promise<void> {
    this.selection = key;
    if (key === null) this.selected = null;
    await this.#readSelected();
  }

  async selectSlot(slot: Slot): Promise<void> {
    await this.#attempt(async () => {
      const found = await this.engine.call('entityAt', slot);
      await this.select(found?.key ?? null);
    });
  }

  async compare(a: Instant, b: Instant): Promise<void> {
    this.comparing = { a, b };
    this.comparison = null;
    await this.#attempt(async () => {
      const found = await this.engine.call('compare', a, b);
      if (this.comparing?.a === a && this.comparing.b === b) this.comparison = found;
    });
  }

  /** Stop loading; the next command goes on with it. */
  cancel(): void {
    this.pause();
    this.engine.cancel();
  }

  /** Try again what has failed. */
  async retry(): Promise<void> {
    this.error = null;
    if (!this.range) await this.refresh();
    if (this.range && this.playhead === 0) this.seek(this.range.end);
    this.show();
  }

  // Bookmarks

  get bookmarks(): readonly Bookmark[] {
    return this.#bookmarks.all;
  }

  /** Keep them elsewhere from now on, e.g. in a session. */
  useBookmarks(store: BookmarkStore): Promise<void> {
    return this.#attempt(() => this.#bookmarks.use(store));
  }

  addBookmark(title: string, note = '', at: Instant = this.playhead): Promise<void> {
    return this.#attempt(() => this.#bookmarks.add({ at, title, note }));
  }

  removeBookmark(id: string): Promise<void> {
    return this.#attempt(() => this.#bookmarks.remove(id));
  }

  /** Say something else in a bookmark. */
  changeBookmark(id: string, change: Partial<Said>): Promise<void> {
    return this.#attempt(() => this.#bookmarks.change(id, change));
  }

  /** Move a bookmark up (or down) in the order of the story. */
  moveBookmark(id: string, by: Direction): Promise<void> {
    return this.#attempt(() => this.#bookmarks.move(id, by));
  }

  protected override tick(): void {
    if (this.ticker.now() - this.#rangeAt > RANGE_EVERY) void this.#attempt(() => this.#readRange(), true);
    super.tick();
  }

  #hear(told: Parameters<Listener>[0]): void {
    switch (told.kind) {
      case 'frame':
        this.grant(told.wish);
        this.frame = told.frame;
        void this.#readSelected();
        break;
      case 'buffered':
        this.buffered = told.intervals;
        this.bufferedBytes = told.bytes;
        break;
      case 'progress':
        this.loading = told.loading;
        this.progress = told.progress;
        break;
      case 'settled':
        if (this.range && told.until > this.range.end) this.range = { ...this.range, end: told.until };
        break;
      case 'failed':
        this.error = MsrError.fromJSON(told.error);
        this.retryIn = told.retryIn;
        break;
      case 'recovered':
        this.error = null;
        this.retryIn = null;
        break;
    }
  }

  async #readRange(): Promise<void> {
    this.#rangeAt = this.ticker.now();
    const found = await this.client.range();
    this.serverNow = found.now;
    this.longestWindow = found.longestWindow;
    if (found.settledUntil === null) return;
    // Of a table without a first change retention has left no change: it goes back as far as one may see.
    const first = (change: string | null) => (change === null ? found.earliest : parse(change));
    const recorded = Math.min(...this.tables.map((table) => first(table.first_change_at)));
    const start = Number.isFinite(recorded) ? Math.max(found.earliest, recorded) : found.earliest;
    this.range = { start: Math.min(start, found.settledUntil), end: found.settledUntil };
  }

  async #readSelected(): Promise<void> {
    const key = this.selection;
    if (key === null || this.frame.version === 0) return;
    await this.#attempt(async () => {
      const found = await this.engine.call('entity', key);
      if (this.selection === key) this.selected = found;
    });
  }

  /** Do something that may fail; what failed is shown in the server's words. */
  async #attempt(work: () => Promise<void>, quiet = false): Promise<void> {
    try {
      await work();
    } catch (error) {
      const found = MsrError.of(error);
      if (found.code !== 'ABORTED' && !(quiet && found.isRetryable)) this.error = found;
    }
  }
}
