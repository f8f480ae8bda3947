import { HOUR, MINUTE, SECOND, type Instant, type Interval } from '../instants';
import type { Direction } from './types';
import { Stretch } from './stretch';
import type { Versions } from './versions';

/** How long segments may be: they begin and end at whole ones, so that viewers of one moment ask the same questions. */
const LENGTHS = [SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR];
/** Changes that a segment is to have, about. */
const AIM = 10_000;
/** Seconds on the screen that are fetched ahead. */
const AHEAD = 30;

/** So much of the memory is held before something is let go of; the rest is for the next segment. */
const FULL = 0.9;

/** What is to be fetched next. */
export type Need =
  /** A state, and the changes from there on. */
  | { readonly kind: 'open'; readonly window: Interval }
  /** More changes after a stretch. */
  | { readonly kind: 'after'; readonly stretch: Stretch; readonly window: Interval }
  /** A state and the changes from there to a stretch's start. */
  | { readonly kind: 'before'; readonly stretch: Stretch; readonly window: Interval };

/** Where the page is, as far as the buffer must know. */
export interface Place {
  readonly at: Instant;
  readonly direction: Direction;
  readonly speed: number;
  readonly range: Interval;
}

/** The stretches that are held, in bounded memory. */
export class Buffer {
  readonly #stretches: Stretch[] = [];
  /** Index into `LENGTHS`. */
  #length = LENGTHS.indexOf(MINUTE);

  constructor(
    private readonly versions: Versions,
    readonly budget: number,
  ) {}

  get bytes(): number {
    return this.#stretches.reduce((sum, stretch) => sum + stretch.bytes, this.versions.bytes);
  }

  get intervals(): Interval[] {
    return this.#stretches.map(({ start, end }) => ({ start, end })).sort((a, b) => a.start - b.start);
  }

  find(at: Instant): Stretch | undefined {
    return this.#stretches.find((stretch) => stretch.holds(at));
  }

  /** What to fetch for a place; null: nothing. */
  need({ at, direction, speed, range }: Place): Need | null {
    const stretch = this.find(at);
    if (!stretch) return this.#reaching(at, range) ?? { kind: 'open', window: this.#opening(at, range) };
    const room = this.bytes < this.budget;
    const ahead = Math.max(AHEAD * SECOND * speed, this.#segment);
    if (direction > 0 && stretch.end < Math.min(range.end, at + ahead) && room) {
      return { kind: 'after', stretch, window: this.#after(stretch, range) };
    }
    if (direction < 0 && stretch.start > Math.max(range.start, at - ahead) && room) {
      return { kind: 'before', stretch, window: this.#before(stretch, range) };
    }
    return null;
  }

  /** Take a stretch; where it touches another one they become one. */
  put(added: Stretch): void {
    const before = this.#stretches.find((stretch) => stretch !== added && stretch.end === added.start);
    const after = this.#stretches.find((stretch) => stretch !== added && stretch.start === added.end);
    if (!this.#stretches.includes(added)) this.#stretches.push(added);
    if (after) this.#join(added, after);
    if (before) this.#join(before, added);
  }

  /** How many changes a segment had: the next ones become longer or shorter. */
  learn(changes: number, window: Interval): void {
    const length = window.end - window.start;
    if (length < this.#segment / 2 && changes < AIM) return; // cut short by the range: says little
    const fitting = (length * AIM) / Math.max(changes, 1);
    const index = LENGTHS.findLastIndex((one) => one <= fitting);
    this.#length = Math.max(0, Math.min(index, this.#length + 2, LENGTHS.length - 1));
  }

  /** Let go of what is elsewhere, then of what lies behind a place, until there is room for what lies ahead. */
  trim({ at, direction }: Pick<Place, 'at' | 'direction'>): boolean {
    let trimmed = false;
    while (this.bytes > FULL * this.budget && this.#trimOnce(at, direction)) trimmed = true;
    return trimmed;
  }

  clear(): void {
    for (const stretch of this.#stretches.splice(0)) stretch.clear();
  }

  get #segment(): number {
    return LENGTHS[this.#length]!;
  }

  /** The end of a stretch may be so near that going on from there is less work than a whole state. */
  #reaching(at: Instant, range: Interval): Need | null {
    const before = this.#stretches.filter(({ end }) => end < at).sort((a, b) => a.end - b.end);
    const stretch = before.at(-1);
    if (!stretch || at - stretch.end > this.#segment) return null;
    const { start, end } = this.#after(stretch, range);
    return { kind: 'after', stretch, window: { start, end: Math.max(at, end) } };
  }

  #opening(at: Instant, range: Interval): Interval {
    const start = Math.max(range.start, Math.floor(at / this.#segment) * this.#segment);
    const window = { start: Math.min(start, at), end: Math.max(at, Math.min(range.end, start + this.#segment)) };
    return this.#between(window, at);
  }

  /** As much of a window around an instant as no stretch holds. */
  #between(window: Interval, at: Instant): Interval {
    let { start, end } = window;
    for (const held of this.#stretches) {
      if (held.end < at) start = Math.max(start, held.end);
      if (held.start > at) end = Math.min(end, held.start);
    }
    return { start, end };
  }

  #after(stretch: Stretch, range: Interval): Interval {
    const whole = (Math.floor(stretch.end / this.#segment) + 1) * this.#segment;
    const next = Math.min(...this.#stretches.map((one) => one.start).filter((start) => start > stretch.end));
    return { start: stretch.end, end: Math.min(whole, range.end, next) };
  }

  /** Longer than the one after: each costs a whole state. */
  #before(stretch: Stretch, range: Interval): Interval {
    const whole = (Math.ceil(stretch.start / this.#segment) - 4) * this.#segment;
    const last = Math.max(...this.#stretches.map((one) => one.end).filter((end) => end < stretch.start), range.start);
    return { start: Math.max(whole, last), end: stretch.start };
  }

  #trimOnce(at: Instant, direction: Direction): boolean {
    const own = this.find(at);
    const other = this.#stretches.find((stretch) => stretch !== own);
    if (other) {
      other.clear();
      this.#stretches.splice(this.#stretches.indexOf(other), 1);
      return true;
    }
    if (!own) return false;
    return direction > 0 ? own.trimStart(at) : own.trimEnd(at);
  }

  #join(before: Stretch, after: Stretch): void {
    before.join(after);
    this.#stretches.splice(this.#stretches.indexOf(after), 1);
  }
}
