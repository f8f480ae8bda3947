import { SvelteMap } from 'svelte/reactivity';
import type { State } from '../client/rows';
import { fromDate, MINUTE, toDate, type Instant } from '../instants';
import { replayOf } from '../replay/create';
import type { Replay } from '../replay/replay.svelte';
import { msrClient } from './client';
import { handleMsrError } from './errors';
import { filtersOf, type FilterConfig } from './filters';

export type ReplayStatus =
  'idle' | 'selecting' | 'initialising' | 'playing' | 'paused' | 'ended' | 'error' | 'terminated';

export interface Entity {
  readonly id: string;
  readonly tableName: string;
  readonly state: State;
}

export interface PerformanceOptions {
  /** Accepted; the engine plans itself what it loads and when. */
  readonly pollWindowMs?: number;
  readonly minPollingInterval?: number;
  /** How often a second `entities` is brought up to date, at most. */
  readonly frameRate?: number;
  /** How many events are kept, at most. */
  readonly maxBufferSize?: number;
}

export const PERFORMANCE = { pollWindowMs: 3000, frameRate: 30, maxBufferSize: 1_000_000, minPollingInterval: 100 };

/** What an event weighs in the buffer, about. */
const EVENT_BYTES = 256;
const PAGE = 5_000;

export type MakeReplay = (budgetBytes: number) => Replay;

/** `replayStore` as applications know it: a thin layer over `Replay`. */
export class ReplayStore {
  /** Every entity that lives at `playbackTime`; its key is `"schema.table:id"`. */
  readonly entities = new SvelteMap<string, Entity>();
  stateFilterConfig: FilterConfig | undefined;
  playbackFilterConfig: FilterConfig | undefined;
  /** The session that the calls belong to. */
  sessionId: string | undefined;

  #replay = $state.raw<Replay | null>(null);
  #phase = $state.raw<'idle' | 'selecting' | 'error'>('idle');
  #failed = $state.raw<string | null>(null);
  #start = $state.raw<Date | null>(null);
  #end = $state.raw<Date | null>(null);
  #stop: (() => void) | undefined;
  #reading = false;
  #seen = 0;
  readonly #since = new Map<string, Instant>();

  constructor(private readonly make: MakeReplay = (budgetBytes) => replayOf(msrClient(), { budgetBytes })) {}

  get status(): ReplayStatus {
    const replay = this.#replay;
    if (!replay) return this.#phase;
    if (replay.error?.code === 'SESSION_TERMINATED') return 'terminated';
    if (replay.status === 'error') return 'error';
    if (replay.status === 'loading') return 'initialising';
    if (!replay.playing && this.#end && replay.playhead >= fromDate(this.#end)) return 'ended';
    return replay.playing ? 'playing' : 'paused';
  }

  get playbackTime(): Date | null {
    return this.#replay?.playhead ? toDate(this.#replay.playhead) : this.#start;
  }

  get replayStartTime(): Date | null {
    return this.#start;
  }

  get replayEndTime(): Date | null {
    return this.#end;
  }

  get errorMessage(): string | null {
    return this.#failed ?? this.#replay?.error?.message ?? null;
  }

  get speed(): number {
    return this.#replay?.speed ?? 1;
  }

  /** The replay beneath, with all that it can beside; nothing before `initiateReplay`. */
  get replay(): Replay | null {
    return this.#replay;
  }

  getTableEntitiesMap(table: string): Map<string, Entity> {
    return new Map([...this.entities.values()].filter((one) => one.tableName === table).map((one) => [one.id, one]));
  }

  getEntity(table: string, id: string): Entity | undefined {
    return this.entities.get(`${table}:${id}`);
  }

  getAvailableTables(): string[] {
    return [...new Set([...this.entities.values()].map((one) => one.tableName))].sort();
  }

  /** A moment is about to be chosen. */
  select(): void {
    this.reset();
    this.#phase = 'selecting';
  }

  setPlaybackRange(start: Date, end: Date): void {
    [this.#start, this.#end] = [start, end];
    this.#replay?.setWindow({ start: fromDate(start), end: fromDate(end) });
  }

  /** Load the world of a moment; when it is there, it stands still at it. */
  async initiateReplay(start: Date, performance: PerformanceOptions = {}): Promise<void> {
    this.#close();
    const wanted = { ...PERFORMANCE, ...performance };
    this.#start ??= start;
    this.#end ??= toDate(fromDate(start) + 120 * MINUTE);
    this.#failed = null;
    const replay = this.make(wanted.maxBufferSize * EVENT_BYTES);
    this.#replay = replay;
    replay.showFields(() => null); // applications have always been given every field
    this.#stop = $effect.root(() => this.#watch(replay, 1000 / wanted.frameRate));
    try {
      replay.engine.setSession(this.sessionId);
      replay.filters = this.#filters(start);
      replay.setWindow({ start: fromDate(this.#start), end: fromDate(this.#end) });
      await replay.open(fromDate(start));
    } catch (error) {
      this.fail(error, 'initiateReplay');
    }
  }

  play(): void {
    if (this.status === 'ended') this.restart();
    this.#replay?.play();
  }

  pause(): void {
    this.#replay?.pause();
  }

  setSpeed(speed: number): void {
    this.#replay?.setSpeed(speed);
  }

  /** Go to a moment of the replay's range. */
  jumpToTimestamp(at: Date | number | string): void {
    const wanted = new Date(at).getTime();
    const [start, end] = [this.#start?.getTime() ?? wanted, this.#end?.getTime() ?? wanted];
    this.#replay?.seek(fromDate(new Date(Math.min(end, Math.max(start, wanted)))));
  }

  /** Go to where it began. */
  restart(): void {
    this.pause();
    if (this.#start) this.jumpToTimestamp(this.#start);
  }

  /** As if nothing had been. */
  reset(): void {
    this.#close();
    this.#phase = 'idle';
    [this.#start, this.#end, this.#failed] = [null, null, null];
  }

  /** Something around the replay has failed. */
  fail(error: unknown, context: string): void {
    this.#close();
    this.#phase = 'error';
    this.#failed = handleMsrError(error, context, { throwError: false }).message;
  }

  #filters(start: Date): Replay['filters'] {
    const context = { replayStartTime: this.#start ?? start, replayEndTime: this.#end ?? start, playbackTime: start };
    return filtersOf(this.stateFilterConfig, this.playbackFilterConfig, context);
  }

  #watch(replay: Replay, interval: number): void {
    let due = 0;
    $effect(() => {
      if (replay.frame.version === 0) return;
      const wait = Math.max(0, due - performance.now());
      const timer = setTimeout(() => {
        due = performance.now() + interval;
        void this.#readAll(replay);
      }, wait);
      return () => clearTimeout(timer);
    });
    $effect(() => {
      if (!replay.playing || !this.#end || replay.playhead < fromDate(this.#end)) return;
      replay.pause();
      replay.seek(fromDate(this.#end));
    });
    $effect(() => {
      if (replay.error) handleMsrError(replay.error, 'replay', { throwError: false });
    });
  }

  /** Bring `entities` up to date: only what became another is set anew, so that only it is drawn anew. */
  async #readAll(replay: Replay): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      do {
        this.#seen = replay.frame.version;
        await this.#readOnce(replay);
      } while (this.#replay === replay && this.#seen !== replay.frame.version);
    } catch {
      // the replay itself says what failed; the next frame is read anew
    } finally {
      this.#reading = false;
    }
  }

  async #readOnce(replay: Replay): Promise<void> {
    const living = new Set<string>();
    let version: number | undefined;
    for (let offset = 0, total = 1; offset < total; offset += PAGE) {
      const page = await replay.engine.call('rows', { table: null, offset, limit: PAGE });
      if (this.#replay !== replay || (version ??= page.version) !== page.version) return; // it went on meanwhile
      total = page.total;
      for (const row of page.rows) {
        const key = `${row.table}:${row.id}`;
        living.add(key);
        if (this.#since.get(key) === row.since) continue;
        this.#since.set(key, row.since);
        this.entities.set(key, { id: row.id, tableName: row.table, state: row.state });
      }
    }
    for (const key of [...this.entities.keys()]) if (!living.has(key)) this.#forget(key);
  }

  #forget(key: string): void {
    this.#since.delete(key);
    this.entities.delete(key);
  }

  #close(): void {
    this.#stop?.();
    this.#replay?.close();
    this.#replay = null;
    this.#since.clear();
    this.entities.clear();
  }
}

/** The one of the application. */
export const replayStore = new ReplayStore();
