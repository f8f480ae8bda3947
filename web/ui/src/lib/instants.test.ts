import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromDate, parse, render, toDate } from './instants';

describe('instants', () => {
  it('come back as they were written, to the microsecond', () => {
    const any = fc.integer({ min: -2_208_988_800_000_000, max: 4_102_444_800_000_000 });
    fc.assert(fc.property(any, (instant) => void expect(parse(render(instant))).toBe(instant)));
  });

  it.each([
    ['2026-11-25T19:14:37.123456Z', 1795634077123456],
    ['2026-11-25T19:14:38.000001Z', 1795634078000001],
    ['2026-11-26T03:14:37.123456+08:00', 1795634077123456],
    ['2026-11-25t19:14:37z', 1795634077000000],
    ['2026-11-25 19:14:37.1234567Z', 1795634077123456],
  ])('are read from %s', (text, instant) => expect(parse(text)).toBe(instant));

  it.each(['', 'now', '2026-11-25', '2026-11-25T19:14:37', '2026-13-25T19:14:37Z', '2026-11-25T19:14:99.123456Z'])(
    'are not read from %j',
    (text) => expect(() => parse(text)).toThrow(RangeError),
  );

  it('are dates rounded down to a millisecond', () => {
    expect(toDate(parse('2026-11-25T19:14:37.123999Z')).toISOString()).toBe('2026-11-25T19:14:37.123Z');
    expect(fromDate(new Date(1))).toBe(1000);
  });
});
