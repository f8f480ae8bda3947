import { afterEach, describe, expect, it, vi } from 'vitest';
import { DAY, HOUR, MINUTE, parse, SECOND } from '../instants';
import { readEntry } from './entry';
import { fullText, spanText } from './format';
import { ticks } from './ticks';

const NOON = parse('2026-11-25T12:00:00.000000Z');
const labels = (length: number, from = NOON): string[] =>
  ticks({ start: from, end: from + length, width: 1000 }, 'utc').map((tick) => tick.label);

/** A browser in a zone that is so many minutes before UTC, from an instant on another. */
function inZone(minutes: number, from = Infinity, then = minutes): void {
  vi.spyOn(Date.prototype, 'getTimezoneOffset').mockImplementation(function (this: Date) {
    return -(this.getTime() * 1000 >= from ? then : minutes);
  });
}
afterEach(() => void vi.restoreAllMocks());

describe('ticks', () => {
  it('are never too near to read, from a second to 30 days', () => {
    for (const length of [SECOND, 7 * SECOND, MINUTE, 17 * MINUTE, HOUR, 9 * HOUR, DAY, 6 * DAY, 30 * DAY]) {
      const found = ticks({ start: NOON + 123_456, end: NOON + 123_456 + length, width: 1000 }, 'utc');
      expect(found.length).toBeGreaterThan(2);
      found.slice(1).forEach((tick, index) => expect(tick.x - found[index]!.x).toBeGreaterThanOrEqual(89));
    }
  });

  it('say as much as is needed to tell them apart', () => {
    expect(labels(HOUR)).toContain('12:10');
    expect(labels(MINUTE)).toContain('12:00:10');
    expect(labels(SECOND)).toContain('12:00:00.200');
    expect(labels(20 * DAY)).toContain('27 Nov');
    expect(labels(DAY)).toContain('26 Nov');
  });

  it('stand at whole hours of a local clock, and at its midnight', () => {
    inZone(330);
    const found = ticks({ start: NOON, end: NOON + DAY, width: 1000 }, 'local');
    expect(found.find((tick) => tick.major)?.at).toBe(parse('2026-11-26T00:00:00+05:30'));
    expect(found.every((tick) => tick.major || tick.label.endsWith(':00'))).toBe(true);
  });

  it('stay at whole days where the clock is set back on the way', () => {
    inZone(120, parse('2026-10-25T01:00:00Z'), 60);
    const start = parse('2026-10-22T00:00:00Z');
    const found = ticks({ start, end: start + 8 * DAY, width: 1000 }, 'local');
    expect(found.every((tick) => tick.major)).toBe(true);
    expect(found.at(-1)?.at).toBe(parse('2026-10-30T00:00:00+01:00'));
  });
});

describe('a time that is typed', () => {
  const read = (text: string, zone: 'utc' | 'local' = 'utc'): number | null => readEntry(text, NOON, zone);

  it('is of the day that is shown, of another, absolute, or from here', () => {
    expect(read('14:05')).toBe(parse('2026-11-25T14:05:00Z'));
    expect(read(' 4:05:09.25 ')).toBe(parse('2026-11-25T04:05:09.250000Z'));
    expect(read('2026-11-20 14:05')).toBe(parse('2026-11-20T14:05:00Z'));
    expect(read('2026-11-20T14:05:00+08:00')).toBe(parse('2026-11-20T06:05:00Z'));
    expect(read('-5 min')).toBe(NOON - 5 * MINUTE);
    expect(read('+1.5h')).toBe(NOON + 90 * MINUTE);
  });

  it('is refused where it is none', () => {
    for (const text of ['', 'noon', '25:00', '12:60', '2026-02-30 12:00', '12', '12:00:60'])
      expect(read(text)).toBe(null);
  });

  it('is of the local clock where that is shown', () => {
    const local = new Date(2026, 10, 25, 14, 5).getTime() * 1000;
    expect(readEntry('2026-11-25 14:05', NOON, 'local')).toBe(local);
  });
});

it('times are written with their zone, spans by their largest parts', () => {
  expect(fullText(NOON, 'utc')).toBe('Wed 25 Nov 2026, 12:00:00 UTC');
  inZone(-210);
  expect(fullText(NOON, 'local')).toBe('Wed 25 Nov 2026, 08:30:00 UTC−03:30');
  expect(spanText(2 * HOUR + 5 * MINUTE + SECOND)).toBe('2 h 5 min');
  expect(spanText(250_000)).toBe('250 ms');
});
