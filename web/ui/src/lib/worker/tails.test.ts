import { describe, expect, it, vi } from 'vitest';
import { xOf } from '../fold/mercator';
import { SECOND, type Interval } from '../instants';
import type { Trail } from './protocol';
import { Tails, type Was } from './tails';

const SOURCE = { kind: 'pair', lon: 'lon', lat: 'lat' } as const;
const of = () => ({ key: 'sea.ship:1', source: SOURCE });

/** A ship that moves a degree east each second; it was nowhere in the third. */
function asking(): { tails: Tails; asked: Interval[] } {
  const asked: Interval[] = [];
  const tails = new Tails(async (_, window) => {
    asked.push(window);
    const found: Was[] = [];
    for (let at = Math.max(0, window.start); at <= window.end; at += SECOND) {
      found.push({ at, state: at === 3 * SECOND ? null : { lon: at / SECOND, lat: 0 } });
    }
    return found;
  });
  return { tails, asked };
}

function trailFrom(...seconds: number[]): Trail {
  const at = Float64Array.from(seconds, (second) => second * SECOND);
  return { slot: 7, at, x: Float64Array.from(seconds, xOf), y: new Float64Array(at.length), whole: true };
}

const seconds = ({ at }: Trail): number[] => [...at].map((one) => one / SECOND);

describe('tails', () => {
  it('begin a trail where it is wanted to begin, and leave out what it has and where nothing was', async () => {
    const { tails } = asking();
    const [longer] = await tails.lengthen([trailFrom(6, 7)], of, { start: SECOND, end: 7 * SECOND });
    expect(seconds(longer!)).toEqual([2, 4, 5, 6, 7]);
    expect([...longer!.x]).toEqual([2, 4, 5, 6, 7].map(xOf));
    expect([longer!.slot, longer!.y.length]).toEqual([7, 5]);
  });

  it('are asked for once, while what is held begins where it did, also a while backwards', async () => {
    const { tails, asked } = asking();
    for (const start of [20, 21, 15]) {
      const [longer] = await tails.lengthen([trailFrom(30)], of, { start: start * SECOND, end: 29 * SECOND });
      expect(seconds(longer!)[0]).toBe(start + 1);
    }
    expect(asked).toHaveLength(1);
    await tails.lengthen([trailFrom(40)], of, { start: 20 * SECOND, end: 39 * SECOND });
    expect(asked).toHaveLength(2);
  });

  it('change nothing of what has no position', async () => {
    const trail = trailFrom(6);
    const window = { start: 0, end: 6 * SECOND };
    expect(await asking().tails.lengthen([trail], () => ({ ...of(), source: null }), window)).toEqual([trail]);
  });

  it('say that they are not whole when the server does not answer, and ask it again a while later', async () => {
    vi.useFakeTimers();
    let answers = false;
    const tails = new Tails((_, { start }) =>
      answers
        ? Promise.resolve([{ at: start, state: { lon: 1, lat: 0 } }])
        : Promise.reject(new TypeError('no network')),
    );
    const [trail, window] = [trailFrom(6), { start: -SECOND, end: 6 * SECOND }];
    expect(await tails.lengthen([trail], of, window)).toEqual([{ ...trail, whole: false }]);
    answers = true;
    vi.advanceTimersByTime(60_000);
    const [again] = await tails.lengthen([trail], of, window);
    expect(again!.whole).toBe(true);
    vi.useRealTimers();
  });
});
