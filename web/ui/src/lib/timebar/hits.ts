import type { Interval } from '../instants';
import { toX, type Scale } from './scale';

/** What a pointer takes hold of. */
export type Hold = 'start' | 'end' | 'time';

/** How far from an edge of the window a pointer still takes it, pixels. */
export const REACH = { mouse: 6, touch: 16 } as const;

/** An end of the window near the pointer, or the time under it. */
export function holdAt(scale: Scale, window: Interval | null, x: number, reach: number): Hold {
  if (!window) return 'time';
  const [toStart, toEnd] = [Math.abs(toX(scale, window.start) - x), Math.abs(toX(scale, window.end) - x)];
  const nearest = toStart < toEnd || (toStart === toEnd && x < toX(scale, window.start)) ? 'start' : 'end';
  return Math.min(toStart, toEnd) <= reach ? nearest : 'time';
}

/** A window with one end moved; past the other end they change places. */
export function resized(window: Interval, hold: 'start' | 'end', at: number): Interval {
  const other = hold === 'start' ? window.end : window.start;
  return { start: Math.min(at, other), end: Math.max(at, other) };
}

/** How much closer (below 1) or wider a turn of the wheel shows, whatever unit the browser counts it in. */
export function wheelFactor(delta: number, mode: number): number {
  const pixels = delta * (mode === 1 ? 16 : mode === 2 ? 400 : 1);
  return Math.exp(Math.max(-1, Math.min(1, pixels / 300)));
}
