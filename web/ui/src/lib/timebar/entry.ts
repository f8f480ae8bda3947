import { DAY, MINUTE, fromDate, parse, type Instant } from '../instants';
import { dateText } from './format';
import type { Zone } from '../zones.svelte';

const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?$/;
const DATED = /^(\d{4})-(\d{2})-(\d{2})[T ]+(\S+)$/;
const SHIFT = /^([+-])\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|d)?$/;
const UNITS: Record<string, number> = { ms: 1e3, s: 1e6, sec: 1e6, m: 6e7, min: 6e7, h: 3.6e9, d: DAY };

/**
 * A moment as people type it: `14:05`, `14:05:09.25` (that day), `2026-11-25 14:05`, RFC 3339, or `-5 min` from where we are.
 * null: it is none of these.
 */
export function readEntry(text: string, from: Instant, zone: Zone): Instant | null {
  const typed = text.trim();
  const shift = SHIFT.exec(typed);
  if (shift) {
    const by = Number(shift[2]) * UNITS[shift[3] ?? 's']!;
    return Math.round(from + (shift[1] === '-' ? -by : by));
  }
  const dated = DATED.exec(typed);
  const own = dated
    ? onClock(`${dated[1]}-${dated[2]}-${dated[3]}`, dated[4]!, zone)
    : onClock(dateText(from, zone), typed, zone);
  return own ?? absolute(typed);
}

function absolute(text: string): Instant | null {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

function onClock(date: string, time: string, zone: Zone): Instant | null {
  const found = CLOCK.exec(time);
  if (!found) return null;
  const [hours, minutes, seconds] = [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)];
  if (hours > 23 || minutes > 59 || seconds >= 60) return null;
  const [year, month, day] = date.split('-').map(Number) as [number, number, number];
  const midday = new Date(Date.UTC(year, month - 1, day));
  if (midday.toISOString().slice(0, 10) !== date) return null;
  const inDay = Math.round(seconds * 1e6);
  const base =
    zone === 'utc'
      ? midday.getTime() * 1000 + (hours * 60 + minutes) * MINUTE
      : fromDate(new Date(year, month - 1, day, hours, minutes));
  return base + inDay;
}
