import type { Geometry } from 'geojson';
import { unwrap } from './basemap';
import { describe, expect, it, vi } from 'vitest';
import { latOf, lonOf, xOf, yOf } from '../fold/mercator';
import type { Replay } from '../replay/replay.svelte';
import { NO_FRAME, type Trail } from '../worker/protocol';
import { clusters, largest, LEAST, some } from './clusters';
import { parseColour, pixelOf } from './colours';
import { ofComparison } from '../compare/differences';
import { ghostsOf } from './ghosts';
import { legendOf } from './legend';
import { shortNumber } from './overlay';
import { nearCentre, pick } from './pick';
import { isSoftware } from './renderer';
import { Details, indexOf, sceneOf } from './scene.svelte';
import { splat } from './splat';
import { boundsOf, inView, toPixel, type Points, type View } from './view';

function pointsAt(...places: readonly (readonly [x: number, y: number])[]): Points {
  return {
    x: Float64Array.from(places, ([x]) => x),
    y: Float64Array.from(places, ([, y]) => y),
    heading: new Float32Array(places.length).fill(NaN),
    group: Uint8Array.from(places, (_, index) => index % 3),
  };
}

function many(count: number): Points {
  let seed = 7;
  const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  return pointsAt(...Array.from({ length: count }, () => [0.78 + 0.01 * random(), 0.49 + 0.01 * random()] as const));
}

const trailOf = (slot: number): Trail => ({
  slot,
  at: Float64Array.of(1),
  x: Float64Array.of(0),
  y: Float64Array.of(0),
  whole: true,
});

const VIEW: View = { x: 0.5, y: 0.5, world: 1000, width: 200, height: 100 };

describe('an entity in a frame', () => {
  it('is found by its slot, and only if it has a position', () => {
    const slots = Uint32Array.of(2, 3, 7, 100);
    expect([2, 3, 7, 100].map((slot) => indexOf({ slots }, slot))).toEqual([0, 1, 2, 3]);
    expect([0, 4, 101, undefined].map((slot) => indexOf({ slots }, slot))).toEqual([-1, -1, -1, -1]);
    expect(indexOf({ slots: new Uint32Array() }, 1)).toBe(-1);
  });
});

describe('the view', () => {
  it('puts the centre in the middle, east to the right and south below', () => {
    expect(toPixel(VIEW, 0.5, 0.5)).toEqual({ left: 100, top: 50 });
    expect(toPixel(VIEW, 0.51, 0.52)).toMatchObject({ left: expect.closeTo(110), top: expect.closeTo(70) });
  });

  it('lists those in view, and says when there are more than wanted', () => {
    const points = pointsAt([0.5, 0.5], [0.59, 0.54], [0.61, 0.5], [0.5, 0.56]);
    expect(inView(points, VIEW, 10)).toEqual([0, 1]);
    expect(inView(points, VIEW, 1)).toBeNull();
  });

  it('finds the box around all points, in degrees', () => {
    expect(boundsOf(pointsAt())).toBeNull();
    const bounds = boundsOf(pointsAt([xOf(103), yOf(1)], [xOf(104), yOf(2)]));
    expect(bounds).toEqual({
      west: expect.closeTo(103),
      south: expect.closeTo(1),
      east: expect.closeTo(104),
      north: expect.closeTo(2),
    });
  });
});

describe('picking', () => {
  it('takes the nearest within reach, and nothing beyond it', () => {
    const points = pointsAt([0.5, 0.5], [0.505, 0.5]);
    expect(pick(points, VIEW, 101, 50, 14)).toBe(0);
    expect(pick(points, VIEW, 104, 50, 14)).toBe(1);
    expect(pick(points, VIEW, 150, 50, 14)).toBe(-1);
  });

  it('lists those nearest to the centre as a full sort would, and none out of view', () => {
    const points = many(500);
    const view = { ...VIEW, x: 0.785, y: 0.495, world: 20_000 };
    const sorted = (inView(points, view, 500) ?? []).sort(
      (a, b) =>
        Math.hypot(points.x[a]! - view.x, points.y[a]! - view.y) -
        Math.hypot(points.x[b]! - view.x, points.y[b]! - view.y),
    );
    expect(sorted.length).toBeGreaterThan(10);
    expect(nearCentre(points, view, 10)).toEqual(sorted.slice(0, 10));
  });
});

describe('clusters', () => {
  it('loses nobody: each of 100,000 is in a cluster or drawn alone', () => {
    const points = many(100_000);
    for (const level of [3, 7, 9]) {
      const found = clusters(points, level);
      const counted = found.clusters.reduce((sum, one) => sum + one.count, 0);
      expect(counted + (found.single?.length ?? points.x.length)).toBe(100_000);
      expect(found.clusters.every((one) => one.count >= LEAST)).toBe(true);
    }
    expect(clusters(points, 3).clusters.length).toBeLessThan(clusters(points, 9).clusters.length);
  });

  it('leaves few as they are, and puts a cluster into the middle of its own', () => {
    expect(clusters(many(LEAST - 1), 0)).toEqual({ clusters: [], single: null });
    const stacked = pointsAt(...Array.from({ length: LEAST }, () => [0.3, 0.3] as const), [0.9, 0.9]);
    const { clusters: one, single } = clusters(stacked, 4);
    expect(one).toEqual([{ x: expect.closeTo(0.3), y: expect.closeTo(0.3), count: LEAST }]);
    expect([...single!]).toEqual([LEAST]);
    expect(some(stacked, single!)).toMatchObject({ x: Float64Array.of(0.9), group: Uint8Array.of(LEAST % 3) });
  });

  it('lists the largest of those in view', () => {
    const at = (x: number, count: number) => ({ x, y: 0.5, count });
    const found = [at(0.5, 30), at(0.59, 90), at(0.61, 500), at(0.45, 60)];
    expect(largest(found, VIEW, 2).map(({ count }) => count)).toEqual([90, 60]);
  });

  it('writes numbers that fit', () => {
    expect([7, 940, 1234, 9960, 94_321].map(shortNumber)).toEqual(['7', '940', '1.2k', '10k', '94k']);
  });
});

describe('splatting', () => {
  const colours = Uint32Array.of(11, 22, 33);

  it('draws an entity in its colour where it is, and leaves the rest clear', () => {
    const into = new Uint32Array(200 * 100).fill(99);
    splat(pointsAt([0.5, 0.5]), VIEW, colours, 1, into);
    expect(into[50 * 200 + 100]).toBe(11);
    expect(into.filter((pixel) => pixel !== 0).length).toBe(25);
  });

  it('points north for heading 0 and east for 90', () => {
    const points = { ...pointsAt([0.4, 0.5], [0.6, 0.5]), heading: Float32Array.of(0, 90) };
    const into = new Uint32Array(200 * 100);
    splat(points, { ...VIEW, world: 500 }, colours, 1, into);
    expect(into[42 * 200 + 50]).toBe(11);
    expect(into[50 * 200 + 158]).toBe(22);
    expect(into[58 * 200 + 50]).toBe(0);
  });

  it('never writes beyond the picture', () => {
    const points = pointsAt([0.4, 0.5], [0.6, 0.5], [0.5, 0.45], [0.5, 0.55], [9, 9], [-9, -9]);
    const into = new Uint32Array(200 * 100);
    splat(points, VIEW, colours, 1, into);
    expect(into.some((pixel) => pixel !== 0)).toBe(false);
  });
});

describe('colours', () => {
  it('reads what the theme writes and packs it as a picture holds it', () => {
    expect(parseColour(' #0b5cad')).toEqual([0x0b, 0x5c, 0xad]);
    expect(parseColour('#fff')).toEqual([255, 255, 255]);
    const bytes = new Uint8Array(Uint32Array.of(pixelOf([1, 2, 3])).buffer);
    expect([...bytes]).toEqual([1, 2, 3, 255]);
  });
});

describe('the legend', () => {
  it('says what the colours mean that are seen, also where there is no value', () => {
    const frame = { groups: ['under way', '–', '', 'gone'], group: Uint8Array.of(1, 0, 2, 0) };
    expect(legendOf(frame)).toEqual([
      { index: 0, name: 'under way' },
      { index: 1, name: 'no value' },
      { index: 2, name: 'empty' },
    ]);
  });
});

describe('the renderer', () => {
  it('is another one where a processor does the work of a graphics card', () => {
    expect(isSoftware('ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)')).toBe(true);
    expect(isSoftware('llvmpipe (LLVM 15.0.6, 256 bits)')).toBe(true);
    expect(isSoftware('ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11, D3D11)')).toBe(false);
    expect(isSoftware('')).toBe(false);
  });
});

describe('the scene', () => {
  it('finds names and trails by slot, and forgets those of entities that are gone', () => {
    const frame = { ...NO_FRAME, ...pointsAt([0.1, 0.1], [0.2, 0.2]), slots: Uint32Array.of(7, 40) };
    const labels = new Map([
      [7, 'Falcon'],
      [99, 'gone'],
    ]);
    const scene = sceneOf(frame, { labels, trails: [trailOf(40), trailOf(99)] }, 1, -1, []);
    expect([...scene.labels]).toEqual([[0, 'Falcon']]);
    expect(scene.lines).toMatchObject([{ end: 1, group: 1 }]);
  });
});

describe('names and trails', () => {
  it('are asked for until all is told, also by who stands still, and no more then', async () => {
    vi.useFakeTimers();
    const frame = { ...NO_FRAME, ...pointsAt([0.5, 0.5]), slots: Uint32Array.of(7), at: 10 };
    let asked = 0;
    const call = async (name: string): Promise<unknown> => {
      if (name === 'labels') return ['Falcon'];
      asked++;
      if (asked === 1) throw new TypeError('no network');
      return [{ ...trailOf(7), whole: asked > 2 }];
    };
    const details = new Details({ frame, selected: null, engine: { call } } as unknown as Replay);
    details.want({ view: VIEW, listed: [], pointed: -1, trail: 5 });
    await vi.advanceTimersByTimeAsync(100);
    expect([asked, details.trails]).toEqual([1, []]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(3);
    expect(details.trails).toMatchObject([{ slot: 7, whole: true }]);
    expect(details.labels.get(7)).toBe('Falcon');
    details.close();
    vi.useRealTimers();
  });
});

describe('ghosts', () => {
  it('shows what can be placed, and from where it came', () => {
    const rule = { position: { kind: 'pair', lon: 'lon', lat: 'lat' }, heading: null, label: 'name' } as const;
    const row = { table: 'a.b', key: 'a.b:1', id: '1' };
    const comparison = {
      a: 0,
      b: 1,
      created: [{ ...row, slot: 0, since: 0, state: { lon: 1, lat: 2, name: 'new' } }],
      deleted: [{ ...row, slot: 1, since: 0, state: { name: 'nowhere' } }],
      changed: [{ ...row, before: { lon: 3, lat: 4 }, after: { lon: 5, lat: 6 }, fields: ['lon', 'lat'] }],
    };
    const [created, changed, ...others] = ghostsOf(ofComparison(comparison), { 'a.b': rule });
    expect(others).toEqual([]);
    expect(created).toMatchObject({ kind: 'created', label: 'new', from: null });
    expect([lonOf(created!.x), latOf(created!.y)]).toEqual([expect.closeTo(1), expect.closeTo(2)]);
    expect(changed).toMatchObject({ kind: 'changed', label: '1', from: { x: expect.closeTo(xOf(3)) } });
  });
});

describe('the base map', () => {
  it('goes on beyond the meridian of 180 degrees, there and back, but not along the pole', () => {
    const ring = [
      [178, -17],
      [-179, -16],
      [-178, -17],
      [179, -18],
      [178, -17],
    ];
    const pole = [
      [-180, -84],
      [180, -84],
      [180, -90],
      [-180, -90],
      [-180, -84],
    ];
    const both: Geometry = { type: 'MultiPolygon', coordinates: [[ring], [structuredClone(pole)]] };
    unwrap(both);
    expect(ring.map(([lon]) => lon)).toEqual([178, 181, 182, 179, 178]);
    expect(both.coordinates[1]).toEqual([pole]);
  });
});
