import type { ReplayClient } from '../client/client';
import { MsrError } from '../client/errors';
import type { Filters } from '../client/rows';
import { SECOND, type Instant } from '../instants';
import type { EnginePort } from '../worker/port';
import type { Ticker } from './clock';
import { intervalOf, tablesOf, type Extent } from './extent';
import { Showing } from './showing.svelte';

/** How often the server is asked how far the past is settled, milliseconds. */
const RANGE_EVERY = 2_000;

/** Which world it is, the recording or a clip: what tables there are in it, and how far it reaches. */
export abstract class Ranging extends Showing {
  /** The server's clock, as last heard; between `range.end` and here is what happened but is not settled. */
  serverNow = $state.raw<Instant | null>(null);
  /** The longest window that the server answers, microseconds. */
  longestWindow = $state.raw(7 * 86_400 * SECOND);
  /** Whether the server cannot be reached now; what is buffered can still be replayed. */
  offline = $state.raw(false);

  #wanted: Filters = {};
  #readAt = -Infinity;

  constructor(
    readonly client: ReplayClient,
    engine: EnginePort,
    ticker: Ticker,
  ) {
    super(engine, ticker);
  }

  /** Ask the server anew how far the past reaches, and which tables there are. */
  async refresh(): Promise<void> {
    await this.attempt(() => this.#readTables());
  }

  /** Leave out what is not wanted; a clip that is named, or no longer, is another world to be in. */
  override async setFilters(filters: Filters): Promise<void> {
    this.#wanted = filters;
    await this.attempt(async () => {
      if (filters.clip !== this.filters.clip) {
        const tables = await tablesOf(this.client, filters.clip);
        const found = { tables, range: await this.client.range(filters.clip) };
        if (this.#wanted !== filters) return; // something else by now
        this.#enter(filters, found);
      }
      await super.setFilters(filters);
    });
  }

  protected override tick(): void {
    const mayChange = this.filters.clip === undefined || this.offline;
    if (mayChange && this.ticker.now() - this.#readAt > RANGE_EVERY) void this.#look();
    super.tick();
  }

  /** Nothing is known yet of what there is. */
  protected get isNew(): boolean {
    return this.range === null || this.tables.length === 0;
  }

  /** The server is there again. */
  protected abstract goOn(): Promise<void>;

  /** Show what went wrong. */
  protected abstract fail(error: MsrError): void;

  /** It is another world from now on: nothing of the one before holds. */
  protected leaveWorld(): void {
    this.pause();
    this.setWindow(null);
    this.range = null;
  }

  /** Be in another world, at the same moment if there is one, else where it begins; nothing plays on. */
  #enter(filters: Filters, found: Extent): void {
    this.leaveWorld();
    this.filters = filters;
    this.#learn(found);
    const { start, end } = this.range ?? { start: 0, end: 0 };
    if (this.playhead < start || this.playhead > end) this.playhead = start;
  }

  /** Look how far the past is settled by now, and so whether the server is there; once it is back, go on. */
  async #look(): Promise<void> {
    try {
      await (this.isNew ? this.#readTables() : this.#readRange());
    } catch (error) {
      const found = MsrError.of(error);
      if (found.code === 'NETWORK_ERROR') this.offline = true;
      else if (!found.isRetryable) this.fail(found);
      return;
    }
    if (!this.offline) return;
    this.offline = false;
    await this.goOn();
  }

  async #readTables(): Promise<void> {
    this.#readAt = this.ticker.now();
    const { clip } = this.filters;
    const ranging = this.client.range(clip);
    ranging.catch(() => undefined); // told of below
    const tables = await tablesOf(this.client, clip);
    if (clip === this.filters.clip) this.tables = tables;
    const range = await ranging;
    if (clip === this.filters.clip) this.#learn({ tables, range });
  }

  async #readRange(): Promise<void> {
    this.#readAt = this.ticker.now();
    const { clip } = this.filters;
    const range = await this.client.range(clip);
    if (clip === this.filters.clip) this.#learn({ tables: this.tables, range });
  }

  #learn(found: Extent): void {
    this.tables = found.tables;
    this.serverNow = found.range.now;
    this.longestWindow = found.range.longestWindow;
    this.range = intervalOf(found, this.filters.clip) ?? this.range;
  }
}
