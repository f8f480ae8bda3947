import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY, HOUR, MINUTE } from '../instants';
import { barsOf, chunksOf, highest, stepOf, sums, type Count } from './activity';
import { gapsOf } from './gaps';

const T = Date.UTC(2026, 10, 25) * 1000;
const count = (begin: number, table: string, op: string, changes: number): Count => ({
  begin,
  end: begin + MINUTE,
  table,
  op,
  changes,
});

describe('what is asked for', () => {
  it('covers the view without holes, in stretches that the server answers, of buckets that fit the width', () => {
    const lengths = fc.integer({ min: 1_000_000, max: 30 * DAY });
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 300, max: 2500 }),
        fc.integer({ min: 0, max: 1e9 }),
        (length, width, at) => {
          const view = { start: T + at, end: T + at + length, width };
          const step = stepOf(view);
          expect(length / step).toBeLessThanOrEqual(width / 4);
          const chunks = chunksOf(view, step, 7 * DAY);
          expect(chunks[0]!.start).toBeLessThanOrEqual(view.start);
          expect(chunks.at(-1)!.end).toBeGreaterThanOrEqual(view.end);
          chunks.slice(1).forEach((chunk, index) => expect(chunk.start).toBe(chunks[index]!.end));
          for (const chunk of chunks) {
            expect(chunk.end - chunk.start).toBeLessThanOrEqual(7 * DAY);
            expect((chunk.end - chunk.start) / step).toBeLessThanOrEqual(2000);
            if (chunk.end - chunk.start > 2 * DAY) expect(step).toBeGreaterThanOrEqual(HOUR);
          }
        },
      ),
    );
  });

  it('is the same for views that lie beside each other, so that moving asks for nothing new', () => {
    const view = { start: T + HOUR, end: T + 2 * HOUR };
    const moved = { start: T + HOUR + MINUTE, end: T + 2 * HOUR + MINUTE };
    expect(chunksOf(moved, MINUTE, 7 * DAY)).toEqual(chunksOf(view, MINUTE, 7 * DAY));
  });
});

describe('bars', () => {
  const bars = barsOf([
    count(T + MINUTE, 'b', 'u', 2),
    count(T, 'b', 'c', 5),
    count(T, 'a', 'd', 1),
    count(T, 'a', 'u', 2),
  ]);

  it('stand in order, their parts by table and then by operation', () => {
    expect(bars.map((bar) => bar.total)).toEqual([8, 2]);
    expect(bars[0]!.counts.map((part) => part.table + part.op)).toEqual(['au', 'ad', 'bc']);
  });

  it('add up by table and by operation', () => {
    expect(sums(bars[0]!, 'table')).toEqual([
      ['b', 5],
      ['a', 3],
    ]);
    expect(Object.fromEntries(sums(bars[0]!, 'op'))).toEqual({ c: 5, d: 1, u: 2 });
  });

  it('are as high as much happens in a second, whatever their length', () => {
    const hour: Count = { begin: T + HOUR, end: T + 2 * HOUR, table: 'a', op: 'u', changes: 60 };
    const mixed = barsOf([count(T, 'a', 'u', 2), hour]);
    expect(highest(mixed, { start: T, end: T + DAY })).toBe(2 / MINUTE);
    expect(highest(mixed, { start: T + HOUR, end: T + DAY })).toBe(60 / HOUR);
  });
});

describe('gaps', () => {
  const at = (minutes: number): string => new Date(T / 1000 + minutes * 60_000).toISOString();
  const table = (name: string, gaps: [number, number | null, string | null][]) => ({
    table_name: name,
    source: 's',
    intervals: [],
    gaps: gaps.map(([from, until, reason]) => ({ from: at(from), until: until === null ? null : at(until), reason })),
  });

  it('of several tables are told stretch by stretch, each with whom it concerns and why', () => {
    const found = gapsOf([table('a', [[10, 30, 'slot lost']]), table('b', [[20, null, null]])], {
      start: T,
      end: T + HOUR,
    });
    expect(found.map((gap) => [(gap.start - T) / MINUTE, (gap.end - T) / MINUTE, gap.tables])).toEqual([
      [10, 20, ['a']],
      [20, 30, ['a', 'b']],
      [30, 60, ['b']],
    ]);
    expect(found[1]!.reasons).toEqual(['slot lost']);
  });

  it('are cut to what is shown', () => {
    expect(gapsOf([table('a', [[-60, 90, null]])], { start: T, end: T + HOUR })).toMatchObject([
      { start: T, end: T + HOUR },
    ]);
  });
});
