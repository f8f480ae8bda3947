/** An instant: microseconds since 1970, a whole number. 2^53 of them last until the year 2255. */
export type Instant = number;

/** From one instant to another. */
export interface Interval {
  readonly start: Instant;
  readonly end: Instant;
}

export const MILLISECOND = 1_000;
export const SECOND = 1_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/;

/** The last minute that was parsed: rows come in order, so that it is nearly always the next one's too. */
let minute = '';
let minuteAt = 0;

/**
 * Read an RFC 3339 time with offset; digits after the microseconds are cut off.
 *
 * @throws RangeError: it is none.
 */
export function parse(text: string): Instant {
  if (text.length === 27 && text.charCodeAt(26) === 90 /* Z */ && text.charCodeAt(19) === 46 /* . */) {
    if (!text.startsWith(minute) || minute === '') {
      minuteAt = parseAny(`${text.slice(0, 17)}00Z`);
      minute = text.slice(0, 17);
    }
    const [seconds, micros] = [Number(text.slice(17, 19)), Number(text.slice(20, 26))];
    if (seconds < 60 && micros >= 0) return minuteAt + seconds * SECOND + micros;
  }
  return parseAny(text);
}

function parseAny(text: string): Instant {
  const found = RFC3339.exec(text);
  const whole = found ? Date.parse(`${found[1]}T${found[2]}${found[4]!.toUpperCase()}`) : NaN;
  if (!found || Number.isNaN(whole)) throw new RangeError(`not an RFC 3339 time with offset: ${text}`);
  return whole * MILLISECOND + Number((found[3] ?? '').slice(0, 6).padEnd(6, '0'));
}

/** Write it as requests and answers do: UTC, six digits. */
export function render(instant: Instant): string {
  const micros = ((instant % SECOND) + SECOND) % SECOND;
  const seconds = new Date((instant - micros) / MILLISECOND).toISOString().slice(0, 19);
  return `${seconds}.${String(micros).padStart(6, '0')}Z`;
}

export function fromDate(date: Date): Instant {
  return date.getTime() * MILLISECOND;
}

/** Rounded down to a millisecond, which is all that a `Date` holds. */
export function toDate(instant: Instant): Date {
  return new Date(Math.floor(instant / MILLISECOND));
}
