import { DAY, HOUR, MINUTE, MILLISECOND, SECOND, type Instant } from '../instants';
import { offsetMinutes, type Zone } from '../zones.svelte';
import { dateText, monthDay, timeText } from './format';
import { lengthOf, toX, type Scale } from './scale';

/** A mark on the axis. */
export interface Tick {
  readonly at: Instant;
  readonly x: number;
  readonly label: string;
  /** The first of a day, written with its date. */
  readonly major: boolean;
}

const SMALL = [1, 2, 5, 10, 20, 50, 100, 200, 500].map((count) => count * MILLISECOND);
const SECONDS = [1, 2, 5, 10, 15, 30].map((count) => count * SECOND);
const MINUTES = [1, 2, 5, 10, 15, 30].map((count) => count * MINUTE);
const HOURS = [1, 2, 3, 6, 12].map((count) => count * HOUR);
const DAYS = [1, 2, 5, 10].map((count) => count * DAY);

/** Steps between ticks, all of which people count in. */
export const STEPS = [...SMALL, ...SECONDS, ...MINUTES, ...HOURS, ...DAYS];

/** Ticks at whole steps of the zone's clock, never nearer to each other than a label is wide. */
export function ticks(scale: Scale, zone: Zone): readonly Tick[] {
  if (scale.width <= 0 || lengthOf(scale) <= 0) return [];
  const step = STEPS.find((one) => (one / lengthOf(scale)) * scale.width >= apartOf(one)) ?? 10 * DAY;
  const found: Tick[] = [];
  let day = '';
  for (let at = firstAtOrAfter(scale.start, step, zone); at <= scale.end; at = next(at, step, zone)) {
    const date = dateText(at, zone);
    const isNew = date !== day && (step >= DAY || isMidnight(at, zone));
    day = date;
    found.push({ at, x: toX(scale, at), label: isNew ? monthDay(at, zone) : timeText(at, zone, step), major: isNew });
  }
  return found;
}

/** How wide labels with a little room are, of times as fine as that. */
function apartOf(step: number): number {
  return step < SECOND ? 135 : 90;
}

/** The offset matters for steps that an hour does not hold: these begin with the zone's days. */
function firstAtOrAfter(at: Instant, step: number, zone: Zone): Instant {
  const ahead = offsetMinutes(at, zone) * MINUTE;
  const found = Math.ceil((at + ahead) / step) * step - ahead;
  return corrected(found, ahead, step, zone);
}

function next(at: Instant, step: number, zone: Zone): Instant {
  return corrected(at + step, offsetMinutes(at, zone) * MINUTE, step, zone);
}

/** Where a clock was set forward or back on the way, its ticks go with it. */
function corrected(at: Instant, ahead: number, step: number, zone: Zone): Instant {
  const now = offsetMinutes(at, zone) * MINUTE;
  return step > HOUR ? at + ahead - now : at;
}

function isMidnight(at: Instant, zone: Zone): boolean {
  return (at + offsetMinutes(at, zone) * MINUTE) % DAY === 0;
}
