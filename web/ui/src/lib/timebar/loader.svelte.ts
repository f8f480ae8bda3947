import { MsrError } from '../client/errors';
import { sourceOf, unwrap, type ReplayClient } from '../client/client';
import { parse, render, SECOND, type Instant, type Interval } from '../instants';
import { barsOf, chunksOf, nameOf, stepOf, type Bar, type Chunk, type Count } from './activity';
import { gapsOf, type Gap } from './gaps';
import { overlap, type Scale } from './scale';

/** Wait so long for the view to stand still before asking, milliseconds. */
const QUIET = 200;
/** But no longer than so, however often it is moved. */
const PATIENCE = 1_000;
/** So many answers are kept. */
const KEPT = 120;

interface Answer {
  readonly counts: readonly Count[];
  /** How far it was settled. */
  readonly until: Instant;
}

/** Counts and gaps of what a time bar shows: asked for when it stands still, and kept. */
export class ActivityLoader {
  bars = $state.raw<readonly Bar[]>([]);
  gaps = $state.raw<readonly Gap[]>([]);
  loading = $state.raw(false);
  /** Whether anything has been shown yet. */
  ready = $state.raw(false);
  error = $state.raw<MsrError | null>(null);

  readonly #kept = new Map<string, Answer>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Since when somebody waits for an answer. */
  #since: number | null = null;
  #under: AbortController | null = null;
  #covered: { readonly of: Interval; readonly step: number } | null = null;
  #clip: string | undefined;

  constructor(private readonly client: ReplayClient) {}

  /** Show a view of what is recorded, or of a clip: at once what is there, and the rest when it stands still. */
  want(scale: Scale, range: Interval, longest: number, clip?: string): void {
    if (clip !== this.#clip) this.#enter(clip);
    if (scale.width <= 0 || range.end <= range.start) return;
    clearTimeout(this.#timer);
    const step = stepOf(scale);
    const recorded = overlap(scale, range);
    const chunks = recorded ? chunksOf(recorded, step, longest) : [];
    const missing = chunks.filter((chunk) => this.#isMissing(chunk, range));
    if (chunks.every((chunk) => this.#kept.has(nameOf(chunk)))) this.#show(chunks);
    const coverageOld = !this.#isCovered(scale, range, step);
    if (missing.length === 0 && !coverageOld) {
      this.#since = null;
      this.error = null; // what failed is not wanted any more
      return;
    }
    this.#since ??= Date.now();
    const wait = Math.max(0, Math.min(QUIET, this.#since + PATIENCE - Date.now()));
    this.#timer = setTimeout(() => void this.#load(scale, range, chunks, missing, coverageOld), wait);
  }

  /** Nothing that is known of one world is true of another. */
  #enter(clip: string | undefined): void {
    this.close();
    this.#clip = clip;
    this.#kept.clear();
    [this.#covered, this.#since] = [null, null];
    [this.bars, this.gaps, this.ready, this.error] = [[], [], false, null];
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#under?.abort();
  }

  async #load(scale: Scale, range: Interval, chunks: readonly Chunk[], missing: readonly Chunk[], coverage: boolean) {
    this.#under?.abort();
    this.#since = null;
    const under = (this.#under = new AbortController());
    this.loading = true;
    try {
      for (const chunk of missing) await this.#ask(chunk, range, under.signal);
      this.#show(chunks);
      if (coverage) await this.#askCoverage(scale, range, stepOf(scale), under.signal);
      this.error = null;
    } catch (error) {
      const found = MsrError.of(error);
      if (!under.signal.aborted && found.code !== 'ABORTED') this.error = found;
    } finally {
      if (this.#under === under) this.loading = false;
    }
  }

  async #ask(chunk: Chunk, range: Interval, signal: AbortSignal): Promise<void> {
    const asked = overlap(chunk, range);
    if (!asked) return;
    // Buckets begin at whole steps, wherever the stretch does: one that is cut at both ends has one more.
    const buckets = Math.ceil(asked.end / chunk.step) - Math.floor(asked.start / chunk.step);
    const query = { start: render(asked.start), end: render(asked.end), buckets, ...sourceOf(this.#clip) };
    const { data } = await unwrap(this.client.api.GET('/replay/activity', { params: { query }, signal }));
    signal.throwIfAborted(); // of another world by now
    const length = data.bucket_seconds * SECOND;
    const counts = data.buckets.flatMap((bucket): Count[] => {
      const begin = parse(bucket.begin);
      if (begin >= chunk.end) return []; // the next one's
      const end = Math.min(begin + length, chunk.end);
      return [{ begin, end, table: bucket.table_name, op: bucket.op, changes: bucket.changes }];
    });
    this.#keep(chunk, { counts, until: asked.end });
  }

  async #askCoverage(of: Interval, range: Interval, step: number, signal: AbortSignal): Promise<void> {
    const asked = overlap(of, range);
    if (!asked) return;
    const query = { start: render(asked.start), end: render(asked.end) };
    const { data } = await unwrap(this.client.api.GET('/replay/coverage', { params: { query }, signal }));
    signal.throwIfAborted();
    this.gaps = gapsOf(data, asked);
    this.#covered = { of: asked, step };
  }

  /** What was asked before it was settled is asked again, but not for less than a bucket. */
  #isMissing(chunk: Chunk, range: Interval): boolean {
    const kept = this.#kept.get(nameOf(chunk));
    if (!kept) return true;
    return kept.until < chunk.end && range.end - kept.until > Math.max(5 * SECOND, chunk.step / 4);
  }

  /** A clip was not recorded: no gap of the recording is one of it. */
  #isCovered(scale: Scale, range: Interval, step: number): boolean {
    if (this.#clip !== undefined) return true;
    const asked = overlap(scale, range);
    const of = this.#covered?.of;
    if (!asked || !of) return !asked;
    return of.start <= asked.start + step && of.end + Math.max(30 * SECOND, step) >= asked.end;
  }

  #show(chunks: readonly Chunk[]): void {
    this.bars = barsOf(chunks.flatMap((chunk) => this.#kept.get(nameOf(chunk))?.counts ?? []));
    this.ready = true;
  }

  #keep(chunk: Chunk, answer: Answer): void {
    this.#kept.delete(nameOf(chunk));
    this.#kept.set(nameOf(chunk), answer);
    for (const name of this.#kept.keys()) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(name);
    }
  }
}
