import { DAY, HOUR, MINUTE, SECOND, type Instant } from '../instants';
import { offsetMinutes, zoneName, type Zone } from '../zones.svelte';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** `2026-11-25` */
export function dateText(at: Instant, zone: Zone): string {
  return clock(at, zone).toISOString().slice(0, 10);
}

/** `25 Nov` */
export function monthDay(at: Instant, zone: Zone): string {
  const date = clock(at, zone);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/** `Wed 25 Nov 2026` */
export function longDate(at: Instant, zone: Zone): string {
  const date = clock(at, zone);
  return `${WEEKDAYS[date.getUTCDay()]} ${monthDay(at, zone)} ${date.getUTCFullYear()}`;
}

/** The time of day, as fine as a step asks for: `14:05`, `14:05:09`, `14:05:09.250`. */
export function timeText(at: Instant, zone: Zone, step = 1): string {
  const text = clock(at, zone).toISOString();
  if (step >= MINUTE) return text.slice(11, 16);
  return text.slice(11, step >= SECOND ? 19 : 23);
}

/** Date, time and zone in one: what is read aloud. */
export function fullText(at: Instant, zone: Zone, step = SECOND): string {
  return `${longDate(at, zone)}, ${timeText(at, zone, step)} ${zoneName(at, zone)}`;
}

/** `2 h 5 min`, `12 s`, `250 ms`: the two largest parts. */
export function spanText(span: number): string {
  const units: [number, string][] = [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'min'],
    [SECOND, 's'],
  ];
  let rest = Math.round(span);
  const parts: string[] = [];
  for (const [unit, name] of units) {
    const count = Math.floor(rest / unit);
    if (count > 0) parts.push(`${count} ${name}`);
    rest -= count * unit;
  }
  return parts.slice(0, 2).join(' ') || `${Math.round(span / 1000)} ms`;
}

/** A date whose UTC fields are what the zone's clock shows. */
function clock(at: Instant, zone: Zone): Date {
  return new Date(Math.floor((at + offsetMinutes(at, zone) * MINUTE) / 1000));
}
