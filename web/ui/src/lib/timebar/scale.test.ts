import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY, HOUR, MINUTE, SECOND } from '../instants';
import { holdAt, resized, wheelFactor } from './hits';
import { CLOSEST, lengthOf, panned, showing, toTime, toX, WIDEST, within, zoomed } from './scale';

const DAY_0 = Date.UTC(2026, 10, 1) * 1000;
const bounds = { start: DAY_0, end: DAY_0 + 60 * DAY };
const views = fc
  .tuple(fc.integer({ min: 0, max: 59 * DAY }), fc.integer({ min: SECOND, max: 40 * DAY }))
  .map(([from, length]) => within({ start: DAY_0 + from, end: DAY_0 + from + length }, bounds));

describe('the scale', () => {
  it('finds the time of a pixel again, to the pixel', () => {
    fc.assert(
      fc.property(views, fc.integer({ min: 0, max: 1200 }), (view, x) => {
        const scale = { ...view, width: 1200 };
        expect(toX(scale, toTime(scale, x))).toBeCloseTo(x, 1);
      }),
    );
  });

  it('shows from a second to 30 days, and nothing beyond what there is, however it is turned', () => {
    const factors = fc.array(fc.double({ min: 0.001, max: 1000, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(views, factors, fc.double({ min: -3, max: 3, noNaN: true }), (view, turns, share) => {
        let now = view;
        for (const factor of turns) now = zoomed(now, factor, now.start + lengthOf(now) * 0.3, bounds);
        now = panned(now, share * lengthOf(now), bounds);
        expect(lengthOf(now)).toBeGreaterThanOrEqual(CLOSEST);
        expect(lengthOf(now)).toBeLessThanOrEqual(WIDEST);
        expect(now.start).toBeGreaterThanOrEqual(bounds.start);
        expect(now.end).toBeLessThanOrEqual(bounds.end);
      }),
    );
  });

  it('keeps the instant under the pointer where it is', () => {
    const view = { start: DAY_0 + DAY, end: DAY_0 + 2 * DAY };
    const anchor = view.start + 6 * HOUR;
    const closer = { ...zoomed(view, 0.1, anchor, bounds), width: 1000 };
    expect(toX(closer, anchor)).toBeCloseTo(250, 3);
  });

  it('turns the page when the playhead leaves, with room ahead of it', () => {
    const view = { start: DAY_0, end: DAY_0 + HOUR };
    expect(showing(view, DAY_0 + MINUTE, 1, bounds)).toBe(view);
    expect(showing(view, view.end + 1, 1, bounds).start).toBe(view.end + 1 - 6 * MINUTE);
    const later = { start: DAY_0 + DAY, end: DAY_0 + DAY + HOUR };
    expect(showing(later, later.start - 1, -1, bounds).end).toBe(later.start - 1 + 6 * MINUTE);
  });
});

describe('what a pointer holds', () => {
  const scale = { start: 0, end: 1000, width: 1000 };

  it('is an end of the window when it is near enough, else the time', () => {
    const window = { start: 200, end: 300 };
    expect(holdAt(scale, window, 204, 6)).toBe('start');
    expect(holdAt(scale, window, 296, 6)).toBe('end');
    expect(holdAt(scale, window, 250, 6)).toBe('time');
    expect(holdAt(scale, window, 285, 16)).toBe('end');
    expect(holdAt(scale, null, 204, 6)).toBe('time');
  });

  it('can still pull apart a window that is too short to see', () => {
    const window = { start: 500, end: 500 };
    expect(holdAt(scale, window, 498, 6)).toBe('start');
    expect(holdAt(scale, window, 502, 6)).toBe('end');
  });

  it('goes past the other end', () => {
    expect(resized({ start: 10, end: 20 }, 'start', 30)).toEqual({ start: 20, end: 30 });
  });
});

it('a wheel that counts in lines or pages turns no farther than one that counts in pixels', () => {
  expect(wheelFactor(100, 0)).toBeGreaterThan(1);
  expect(wheelFactor(-3, 1)).toBeLessThan(1);
  expect(wheelFactor(50, 2)).toBe(wheelFactor(1e6, 0));
});
