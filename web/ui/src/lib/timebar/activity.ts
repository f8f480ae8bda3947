import { DAY, HOUR, MINUTE, type Instant, type Interval } from '../instants';
import { lengthOf, overlap, type Scale } from './scale';

/** Changes of one table by one operation in one bucket, as the server counts them. */
export interface Count {
  readonly begin: Instant;
  readonly end: Instant;
  readonly table: string;
  readonly op: string;
  readonly changes: number;
}

/** A stretch that is asked for at once, so that its answer serves every view that it is part of. */
export interface Chunk extends Interval {
  readonly step: number;
}

/** How long a bucket may be: what an hour, a day or a few days hold evenly. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880].map((minutes) => minutes * MINUTE);
/** A bar is at least so many pixels wide. */
const BAR = 4;
const BUCKETS_PER_CHUNK = 240;
/** Over more than this the server counts by hours. */
const FINE_WITHIN = 2 * DAY;

/** The length of a bucket that fits the visible width; the server counts by minutes at best. */
export function stepOf(scale: Scale): number {
  return STEPS.find((step) => (step / lengthOf(scale)) * scale.width >= BAR) ?? STEPS.at(-1)!;
}

/** What has to be asked for a view, aligned so that moving it asks for little more. */
export function chunksOf(view: Interval, step: number, longest: number): readonly Chunk[] {
  const most = Math.min(step * BUCKETS_PER_CHUNK, step < HOUR ? FINE_WITHIN : Infinity, longest);
  const length = Math.max(step, Math.floor(most / step) * step);
  const found: Chunk[] = [];
  for (let start = Math.floor(view.start / length) * length; start < view.end; start += length) {
    found.push({ start, end: start + length, step });
  }
  return found;
}

export function nameOf(chunk: Chunk): string {
  return `${chunk.step}:${chunk.start}:${chunk.end}`;
}

/** By what the bars are coloured. */
export type Stacking = 'table' | 'op';

/** One bar: its parts from below, and what they add up to. */
export interface Bar extends Interval {
  readonly total: number;
  readonly counts: readonly Count[];
}

/** Counts by bucket, in order; each bar's parts are in the order of tables, then of operations. */
export function barsOf(counts: Iterable<Count>): readonly Bar[] {
  const byBegin = new Map<string, Count[]>();
  for (const count of counts) {
    const name = `${count.begin}:${count.end}`;
    const there = byBegin.get(name);
    if (there) there.push(count);
    else byBegin.set(name, [count]);
  }
  return [...byBegin.values()]
    .map((parts) => ({
      start: parts[0]!.begin,
      end: parts[0]!.end,
      total: parts.reduce((sum, part) => sum + part.changes, 0),
      counts: parts.sort((a, b) => compare(a.table, b.table) || orderOf(a.op) - orderOf(b.op)),
    }))
    .sort((a, b) => a.start - b.start);
}

/** How much happens in a second of a bar: what its height says, whatever its length. */
export function rateOf(bar: Bar): number {
  return bar.total / Math.max(1, lengthOf(bar));
}

/** The highest rate that is seen. */
export function highest(bars: readonly Bar[], view: Interval): number {
  return bars.reduce((most, bar) => (overlap(bar, view) ? Math.max(most, rateOf(bar)) : most), 0);
}

/** The bar over an instant. */
export function barAt(bars: readonly Bar[], at: Instant): Bar | null {
  return bars.find((bar) => at >= bar.start && at < bar.end) ?? null;
}

/** A bar's changes added up by table or by operation, most first. */
export function sums(bar: Bar, by: Stacking): readonly (readonly [string, number])[] {
  const found = new Map<string, number>();
  for (const count of bar.counts) found.set(count[by], (found.get(count[by]) ?? 0) + count.changes);
  return [...found].sort((a, b) => b[1] - a[1]);
}

export const OPS: Readonly<Record<string, string>> = { c: 'created', r: 'snapshot', u: 'updated', d: 'deleted' };
const ORDER = Object.keys(OPS);

function orderOf(op: string): number {
  return ORDER.indexOf(op);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
