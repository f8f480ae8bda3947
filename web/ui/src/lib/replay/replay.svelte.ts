import { parse, SECOND, type Instant, type Interval } from '../instants';
import { MsrError } from '../client/errors';
import { unwrap, type ReplayClient, type Schemas } from '../client/client';
import type { Filters, Progress } from '../client/rows';
import type { Colouring, Direction, Key, Slot, TableRule } from '../fold/types';
import { NO_FRAME, type Comparison, type EntityView, type Frame } from '../worker/protocol';
import type { EnginePort, Listener } from '../worker/port';
import { PassingBookmarks, replaceIn, type Bookmark, type BookmarkStore } from './bookmarks';
import { browserTicker, type Ticker } from './clock';

export const SLOWEST = 0.25;
export const FASTEST = 3600;

/** How often the world is drawn anew while it plays, milliseconds. */
const PICTURE = 100;
/** How often the server is asked how far the past is settled, milliseconds. */
const RANGE_EVERY = 2_000;
/** A stretch without any change is idle if watching it would take longer, milliseconds. */
const IDLE = 2_000;

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
export class Replay {
  /** From the first recording that may be seen to the settled limit; null: not known yet. */
  range = $state.raw<Interval | null>(null);
  /** The server's clock, as last heard; between `range.end` and here is what happened but is not settled. */
  serverNow = $state.raw<Instant | null>(null);
  /** The longest window that the server answers, microseconds. */
  longestWindow = $state.raw(7 * 86_400 * SECOND);
  /** The tables that may be seen, with their columns. */
  tables = $state.raw<readonly Schemas['SeenTableView'][]>([]);

  /** Where we want to be; `frame.at` is what is shown. */
  playhead = $state.raw<Instant>(0);
  playing = $state.raw(false);
  direction = $state.raw<Direction>(1);
  speed = $state.raw(1);
  /** Whether the playhead stays at the settled limit. */
  following = $state.raw(false);
  /** The chosen stretch of time: looped, exported, kept in the session. */
  window = $state.raw<Interval | null>(null);
  looping = $state.raw(false);
  skippingIdle = $state.raw(false);

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
  bookmarks = $state.raw<readonly Bookmark[]>([]);
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

  /** Whether the playhead stands because what comes next is not there yet. */
  waiting = $state.raw(false);

  readonly client: ReplayClient;
  readonly engine: EnginePort;
  readonly #ticker: Ticker;
  #bookmarkStore: BookmarkStore;
  #ends: (() => void)[] = [];
  #wish = 0;
  #granted = 0;
  #wishedAt = 0;
  #tickedAt = 0;
  #rangeAt = -Infinity;
  #jumping = false;

  constructor(options: ReplayOptions) {
    this.client = options.client;
    this.engine = options.engine;
    this.#ticker = options.ticker ?? browserTicker;
    this.#bookmarkStore = options.bookmarks ?? new PassingBookmarks();
    this.#ends.push(this.engine.listen((told) => this.#hear(told)));
  }

  /** Learn what there is and show a moment of it: the given one, or the newest. */
  async open(at?: Instant): Promise<void> {
    await this.engine.call('configure', { filters: this.filters });
    await this.refresh();
    if (this.range) this.seek(at ?? this.range.end);
    this.#tickedAt = this.#ticker.now();
    this.#ends.push(this.#ticker.start(() => this.#tick()));
    await this.#run(async () => {
      this.bookmarks = await this.#bookmarkStore.list();
    });
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
    this.engine.close();
  }

  /** Ask the server anew how far the past reaches, and which tables there are. */
  async refresh(): Promise<void> {
    await this.#run(async () => {
      const { data } = await unwrap(this.client.api.GET('/replay/tables', {}));
      this.tables = data;
      await this.#readRange();
    });
  }

  // Playing

  play(): void {
    if (!this.range) return;
    const { start, end } = this.#bounds();
    if (this.direction > 0 && this.playhead >= end) this.#move(start);
    if (this.direction < 0 && this.playhead <= start) this.#move(end);
    this.following = false;
    this.playing = true;
  }

  pause(): void {
    this.playing = false;
    this.following = false;
    this.waiting = false;
  }

  toggle(): void {
    if (this.playing || this.following) this.pause();
    else this.play();
  }

  /** Turn the direction of play. */
  reverse(): void {
    this.direction = this.direction > 0 ? -1 : 1;
    this.following = false;
    this.#show();
  }

  setSpeed(speed: number): void {
    this.speed = Math.min(FASTEST, Math.max(SLOWEST, speed));
  }

  /** Go to a moment, or as near as there is something. */
  seek(at: Instant): void {
    this.following = false;
    this.#move(at);
  }

  /** Go to the next (or the one before) moment at which something changes: anything, or the selected entity. */
  async step(direction: Direction, of: 'anything' | 'selection' = 'anything'): Promise<void> {
    const range = this.range;
    const key = of === 'selection' ? this.selection : null;
    if (!range || (of === 'selection' && key === null)) return;
    this.pause();
    await this.#run(async () => {
      const found = await this.engine.call('step', this.playhead, direction, key, range);
      if (found !== null) this.seek(found);
    });
  }

  jumpToLive(): void {
    if (this.range) this.seek(this.range.end);
  }

  /** Stay at the settled limit. */
  follow(): void {
    this.playing = false;
    this.jumpToLive();
    this.following = true;
  }

  setWindow(window: Interval | null): void {
    this.window = window && window.end < window.start ? { start: window.end, end: window.start } : window;
    if (!window) this.looping = false;
  }

  /** Play a window again and again; without one, end that. */
  loop(window: Interval | null = this.window): void {
    this.setWindow(window);
    this.looping = window !== null;
    if (window && (this.playhead < window.start || this.playhead > window.end)) this.seek(window.start);
  }

  setLooping(looping: boolean): void {
    if (looping) this.loop();
    else this.looping = false;
  }

  skipIdle(skipping: boolean): void {
    this.skippingIdle = skipping;
  }

  // What is seen

  async setFilters(filters: Filters): Promise<void> {
    this.filters = filters;
    await this.#run(async () => {
      await this.engine.call('configure', { filters });
      this.#show();
    });
  }

  async setRule(table: string, rule: TableRule): Promise<void> {
    this.rules = { ...this.rules, [table]: rule };
    await this.#run(async () => {
      await this.engine.call('setRules', this.rules);
      this.#show();
    });
  }

  async setColouring(colouring: Colouring): Promise<void> {
    this.colouring = colouring;
    await this.#run(async () => {
      await this.engine.call('setColouring', colouring);
      this.#show();
    });
  }

  async select(key: Key | null): Promise<void> {
    this.selection = key;
    if (key === null) this.selected = null;
    await this.#readSelected();
  }

  async selectSlot(slot: Slot): Promise<void> {
    await this.#run(async () => {
      const found = await this.engine.call('entityAt', slot);
      await this.select(found?.key ?? null);
    });
  }

  async compare(a: Instant, b: Instant): Promise<void> {
    this.comparing = { a, b };
    this.comparison = null;
    await this.#run(async () => {
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
    this.#show();
  }

  // Bookmarks

  /** Keep them elsewhere from now on, e.g. in a session. */
  async useBookmarks(store: BookmarkStore): Promise<void> {
    this.#bookmarkStore = store;
    await this.#run(async () => {
      this.bookmarks = await store.list();
    });
  }

  async addBookmark(title: string, note = '', at: Instant = this.playhead): Promise<void> {
    await this.#run(async () => {
      await this.#bookmarkStore.add({ at, title, note });
      this.bookmarks = await this.#bookmarkStore.list();
    });
  }

  async removeBookmark(id: string): Promise<void> {
    await this.#run(async () => {
      await this.#bookmarkStore.remove(id);
      this.bookmarks = await this.#bookmarkStore.list();
    });
  }

  /** Say something else in a bookmark. */
  async changeBookmark(id: string, change: Partial<Pick<Bookmark, 'title' | 'note' | 'at'>>): Promise<void> {
    await this.#replaceBookmarks(this.bookmarks.map((one) => (one.id === id ? { ...one, ...change } : one)));
  }

  /** Move a bookmark up (or down) in the order of the story. */
  async moveBookmark(id: string, by: Direction): Promise<void> {
    const from = this.bookmarks.findIndex((one) => one.id === id);
    const [one, other] = [this.bookmarks[from], this.bookmarks[from + by]];
    if (one && other) await this.#replaceBookmarks(this.bookmarks.with(from, other).with(from + by, one));
  }

  async #replaceBookmarks(wanted: readonly Bookmark[]): Promise<void> {
    const store = this.#bookmarkStore;
    this.bookmarks = wanted;
    await this.#run(() => replaceIn(store, wanted));
    await this.#run(async () => {
      this.bookmarks = await store.list();
    });
  }

  // How it goes on

  #tick(): void {
    const now = this.#ticker.now();
    const passed = now - this.#tickedAt;
    this.#tickedAt = now;
    if (now - this.#rangeAt > RANGE_EVERY) void this.#run(() => this.#readRange(), true);
    if (this.playing) this.#advance(passed);
    else if (this.following && this.range && this.playhead < this.range.end) this.#move(this.range.end);
  }

  /** Move the playhead by the time that passed, unless the world has not come after it. */
  #advance(passed: number): void {
    const behind = this.#granted < this.#wish;
    if (behind && this.#ticker.now() - this.#wishedAt > 3 * PICTURE) this.waiting = true;
    if (this.waiting && behind) return;
    this.waiting = false;
    const { start, end } = this.#bounds();
    const next = Math.round(this.playhead + passed * 1000 * this.speed * this.direction);
    if (next >= start && next <= end) this.playhead = next;
    else this.#reachEnd(this.direction > 0 ? end : start, this.direction > 0 ? start : end);
    if (!behind && this.#ticker.now() - this.#wishedAt >= PICTURE) {
      this.#show();
      if (this.skippingIdle) void this.#skip();
    }
  }

  #reachEnd(last: Instant, first: Instant): void {
    if (this.looping) return this.#move(first);
    this.#move(last);
    this.playing = false;
    this.following = this.direction > 0 && last === this.range?.end;
  }

  async #skip(): Promise<void> {
    if (this.#jumping || !this.range) return;
    this.#jumping = true;
    try {
      const { playhead, direction, speed } = this;
      const found = await this.engine.call('step', playhead, direction, null, this.#bounds());
      const idle = found === null ? 0 : (found - playhead) * direction;
      const unchanged = this.playing && this.direction === direction && this.speed === speed;
      if (found !== null && unchanged && idle > IDLE * 1000 * speed) {
        this.#move(found - direction * Math.round((IDLE / 4) * 1000 * speed));
      }
    } catch {
      // what cannot be skipped is played
    } finally {
      this.#jumping = false;
    }
  }

  #bounds(): Interval {
    const range = this.range ?? { start: 0, end: 0 };
    if (!this.looping || !this.window) return range;
    return { start: Math.max(range.start, this.window.start), end: Math.min(range.end, this.window.end) };
  }

  #move(at: Instant): void {
    const range = this.range;
    this.playhead = range ? Math.min(range.end, Math.max(range.start, Math.round(at))) : Math.round(at);
    this.#show();
  }

  #show(): void {
    if (!this.range) return;
    this.#wishedAt = this.#ticker.now();
    this.engine.show({
      number: ++this.#wish,
      at: this.playhead,
      direction: this.direction,
      speed: this.playing ? this.speed : this.following ? 1 : 0,
      range: this.range,
    });
  }

  #hear(told: Parameters<Listener>[0]): void {
    switch (told.kind) {
      case 'frame':
        this.#granted = Math.max(this.#granted, told.wish);
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
    this.#rangeAt = this.#ticker.now();
    const found = await this.client.range();
    this.serverNow = found.now;
    this.longestWindow = found.longestWindow;
    if (found.settledUntil === null) return;
    // Recording begins with the first minute that holds a change. Of a table without one retention has left no change: it goes back as far as one may see.
    const first = (minute: string | null) => (minute === null ? found.earliest : parse(minute));
    const recorded = Math.min(...this.tables.map((table) => first(table.first_minute)));
    const start = Number.isFinite(recorded) ? Math.max(found.earliest, recorded) : found.earliest;
    this.range = { start: Math.min(start, found.settledUntil), end: found.settledUntil };
  }

  async #readSelected(): Promise<void> {
    const key = this.selection;
    if (key === null || this.frame.version === 0) return;
    await this.#run(async () => {
      const found = await this.engine.call('entity', key);
      if (this.selection === key) this.selected = found;
    });
  }

  /** Do something that may fail; what failed is shown in the server's words. */
  async #run(work: () => Promise<void>, quiet = false): Promise<void> {
    try {
      await work();
    } catch (error) {
      const found = MsrError.of(error);
      if (found.code !== 'ABORTED' && !(quiet && found.isRetryable)) this.error = found;
    }
  }
}
