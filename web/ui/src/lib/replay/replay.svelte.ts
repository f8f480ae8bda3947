import type { Instant, Interval } from '../instants';
import { MsrError } from '../client/errors';
import type { ReplayClient } from '../client/client';
import type { Progress } from '../client/rows';
import type { Direction, Key, Slot } from '../fold/types';
import { NO_FRAME, type Comparison, type EntityView, type Frame } from '../worker/protocol';
import type { EnginePort, Listener } from '../worker/port';
import { Latest } from '../latest';
import { Bookmarking } from './bookmarking.svelte';
import { PassingBookmarks, type Bookmark, type BookmarkChange, type BookmarkStore } from './bookmarks';
import { browserTicker, type Ticker } from './clock';
import { Ranging } from './ranging.svelte';

export type Status = 'loading' | 'playing' | 'paused' | 'buffering' | 'error';

/** What a replay is made of. */
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
export class Replay extends Ranging {
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

  readonly #bookmarks: Bookmarking;
  readonly #selected = new Latest(() => this.#readSelected());
  #ends: (() => void)[] = [];

  constructor(options: ReplayOptions) {
    super(options.client, options.engine, options.ticker ?? browserTicker);
    this.#bookmarks = new Bookmarking(options.bookmarks ?? new PassingBookmarks());
    this.#ends.push(this.engine.listen((told) => this.#hear(told)));
  }

  /** Learn what there is and show a moment of it: the given one, or the newest; who asked meanwhile to follow, does. */
  async open(at?: Instant): Promise<void> {
    await this.refresh();
    await this.attempt(() => this.configure());
    if (this.following) this.follow();
    else if (this.range) this.seek(at ?? this.range.end);
    this.#ends.push(this.run());
    await this.attempt(() => this.#bookmarks.read());
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
    this.engine.close();
  }

  /** Go to the next (or the one before) moment at which something changes: anything, or the selected entity. */
  async step(direction: Direction, of: 'anything' | 'selection' = 'anything'): Promise<void> {
    const range = this.range;
    const key = of === 'selection' ? this.selection : null;
    if (!range || (of === 'selection' && key === null)) return;
    this.pause();
    await this.attempt(async () => {
      const found = await this.engine.call('step', this.playhead, direction, key, range);
      if (found !== null) this.seek(found);
    });
  }

  async select(key: Key | null): Promise<void> {
    this.selection = key;
    if (key === null) this.selected = null;
    await this.#selected.run();
  }

  async selectSlot(slot: Slot): Promise<void> {
    await this.attempt(async () => {
      const found = await this.engine.call('entityAt', slot);
      await this.select(found?.key ?? null);
    });
  }

  async compare(a: Instant, b: Instant): Promise<void> {
    this.comparing = { a, b };
    this.comparison = null;
    await this.attempt(async () => {
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
    if (this.retryIn !== null) this.engine.cancel(); // it waits no longer
    this.retryIn = null;
    if (this.isNew) await this.refresh();
    if (this.range && this.playhead === 0) this.seek(this.range.end);
    this.show();
  }

  // Bookmarks

  get bookmarks(): readonly Bookmark[] {
    return this.#bookmarks.all;
  }

  /** Keep them elsewhere from now on, e.g. in a session. */
  useBookmarks(store: BookmarkStore): Promise<boolean> {
    return this.attempt(() => this.#bookmarks.use(store));
  }

  /** Keep a moment; says whether that went well, so that nobody has to say it twice. */
  addBookmark(title: string, note = '', at: Instant = this.playhead): Promise<boolean> {
    return this.attempt(() => this.#bookmarks.add({ at, title, note }));
  }

  removeBookmark(id: string): Promise<boolean> {
    return this.attempt(() => this.#bookmarks.remove(id));
  }

  /** Say something else in a bookmark; says whether that went well. */
  changeBookmark(id: string, change: BookmarkChange): Promise<boolean> {
    return this.attempt(() => this.#bookmarks.change(id, change));
  }

  /** Move a bookmark up (or down) in the order of the story. */
  moveBookmark(id: string, by: Direction): Promise<boolean> {
    return this.attempt(() => this.#bookmarks.move(id, by));
  }

  protected override async goOn(): Promise<void> {
    if (this.error?.code === 'NETWORK_ERROR') await this.retry();
  }

  protected override leaveWorld(): void {
    super.leaveWorld();
    [this.comparison, this.comparing] = [null, null];
  }

  #hear(told: Parameters<Listener>[0]): void {
    switch (told.kind) {
      case 'frame':
        this.grant(told.wish);
        this.frame = told.frame;
        void this.#selected.run();
        break;
      case 'buffered':
        this.buffered = told.intervals;
        this.bufferedBytes = told.bytes;
        break;
      case 'progress':
        this.loading = told.loading;
        this.progress = told.progress;
        break;
      case 'failed':
        this.fail(MsrError.fromJSON(told.error));
        this.retryIn = told.retryIn;
        break;
      case 'recovered':
        this.error = null;
        this.retryIn = null;
        this.offline = false;
        break;
    }
  }

  async #readSelected(): Promise<void> {
    const key = this.selection;
    if (key === null || this.frame.version === 0) return;
    await this.attempt(async () => {
      const found = await this.engine.call('entity', key);
      if (this.selection === key) this.selected = found;
    });
  }

  /** Do something that may fail; what failed is shown in the server's words. Says whether it went well. */
  protected override async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.fail(MsrError.of(error));
      return false;
    }
  }

  protected override fail(error: MsrError): void {
    if (error.code === 'ABORTED') return;
    this.error = error;
    if (error.code === 'NETWORK_ERROR') this.offline = true;
  }
}
