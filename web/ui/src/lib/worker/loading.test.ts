import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Row } from '../client/rows';
import type { Counted } from './gathering';
import { Loading } from './loading';
import type { Told } from './protocol';

afterEach(() => void vi.useRealTimers());

describe('loading', () => {
  it('tells five times a second how far it is, however many pieces arrive', () => {
    vi.useFakeTimers();
    const told: Told[] = [];
    let count: (rows: number) => void = () => undefined;
    new Loading(
      (one) => told.push(one),
      () => undefined,
    ).begin((_, counted: Counted) => {
      counted.follow(({ onProgress }) => {
        count = (rows) => onProgress({ rows, bytes: 10 * rows });
        return undefined as unknown as AsyncGenerator<Row[], never>;
      });
      return new Promise(() => undefined);
    });
    for (let rows = 1; rows <= 100; rows++) {
      vi.advanceTimersByTime(10);
      count(rows);
    }
    const rows = told.map((one) => (one.kind === 'progress' ? one.progress.rows : -1));
    expect(rows).toEqual([0, 20, 40, 60, 80, 100]);
  });

  it('tells all of what came at once, before it says that it is over', async () => {
    const told: Told[] = [];
    const over = new Promise<void>((resolve) => {
      new Loading((one) => told.push(one), resolve).begin(async (_, counted: Counted) => {
        counted.follow(({ onProgress }) => {
          onProgress({ rows: 7, bytes: 70 });
          return undefined as unknown as AsyncGenerator<Row[], never>;
        });
      });
    });
    await over;
    expect(told.at(-2)).toEqual({ kind: 'progress', loading: true, progress: { rows: 7, bytes: 70 } });
    expect(told.at(-1)).toMatchObject({ kind: 'progress', loading: false });
  });
});
