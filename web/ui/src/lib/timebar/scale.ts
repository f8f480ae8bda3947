import { DAY, SECOND, type Instant, type Interval } from '../instants';

/** The shortest and the longest stretch that the bar shows at once. */
export const CLOSEST = SECOND;
export const WIDEST = 30 * DAY;

/** A stretch of time on so many pixels. */
export interface Scale extends Interval {
  readonly width: number;
}

export function lengthOf(interval: Interval): number {
  return interval.end - interval.start;
}

export function toX(scale: Scale, at: Instant): number {
  return ((at - scale.start) / Math.max(1, lengthOf(scale))) * scale.width;
}

export function toTime(scale: Scale, x: number): Instant {
  return Math.round(scale.start + (x / Math.max(1, scale.width)) * lengthOf(scale));
}

/** As long as it is, or as long as may be, and within the bounds. */
export function within(view: Interval, bounds: Interval): Interval {
  const longest = Math.max(CLOSEST, Math.min(WIDEST, lengthOf(bounds)));
  const length = Math.round(Math.min(longest, Math.max(CLOSEST, lengthOf(view))));
  const start = Math.max(bounds.start, Math.min(view.start, bounds.end - length));
  return { start, end: start + length };
}

/** Closer (a factor below 1) or wider, so that one instant stays where it is. */
export function zoomed(view: Interval, factor: number, anchor: Instant, bounds: Interval): Interval {
  const longest = Math.max(CLOSEST, Math.min(WIDEST, lengthOf(bounds)));
  const length = Math.min(longest, Math.max(CLOSEST, lengthOf(view) * factor));
  const share = (anchor - view.start) / Math.max(1, lengthOf(view));
  const start = Math.round(anchor - share * length);
  return within({ start, end: start + length }, bounds);
}

/** Moved by a time, as far as the bounds allow. */
export function panned(view: Interval, by: number, bounds: Interval): Interval {
  return within({ start: Math.round(view.start + by), end: Math.round(view.end + by) }, bounds);
}

/** Turned like a page until an instant is seen, with room before it in the direction of play; the same if it is. */
export function showing(view: Interval, at: Instant, direction: 1 | -1, bounds: Interval): Interval {
  if (at >= view.start && at <= view.end) return view;
  const length = lengthOf(view);
  const start = Math.round(at - length * (direction > 0 ? 0.1 : 0.9));
  return within({ start, end: start + length }, bounds);
}

/** What is in both; null: nothing. */
export function overlap(a: Interval, b: Interval): Interval | null {
  const [start, end] = [Math.max(a.start, b.start), Math.min(a.end, b.end)];
  return start < end ? { start, end } : null;
}
