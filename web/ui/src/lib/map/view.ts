import { latOf, lonOf } from '../fold/mercator';

/** What a north-up map shows: its centre in web mercator, how many pixels the world is wide, and its size in pixels. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly world: number;
  readonly width: number;
  readonly height: number;
}

/** Where somebody looks, as an address says it: zoom, latitude, longitude. */
export type Place = readonly [zoom: number, lat: number, lon: number];

/** Whether two views show the same. */
export function isSame(one: View, other: View): boolean {
  const { x, y, world, width, height } = one;
  return x === other.x && y === other.y && world === other.world && width === other.width && height === other.height;
}

/** The entities that are drawn, as long as each other; nothing is ever written to them. */
export interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Degrees clockwise from north; NaN: none. */
  readonly heading: Float32Array;
  readonly group: Uint8Array;
}

export interface Pixel {
  readonly left: number;
  readonly top: number;
}

export interface Bounds {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

export function toPixel(view: View, x: number, y: number): Pixel {
  return { left: (x - view.x) * view.world + view.width / 2, top: (y - view.y) * view.world + view.height / 2 };
}

/** The smallest box around all of them, degrees; null: there are none. */
export function boundsOf(points: Pick<Points, 'x' | 'y'>): Bounds | null {
  const { x, y } = points;
  if (x.length === 0) return null;
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < x.length; i++) {
    left = Math.min(left, x[i]!);
    right = Math.max(right, x[i]!);
    top = Math.min(top, y[i]!);
    bottom = Math.max(bottom, y[i]!);
  }
  return { west: lonOf(left), south: latOf(bottom), east: lonOf(right), north: latOf(top) };
}

/** Indices of those in view, at most `most`; null: there are more. */
export function inView(points: Pick<Points, 'x' | 'y'>, view: View, most: number): number[] | null {
  const { x, y } = points;
  const [dx, dy] = [view.width / 2 / view.world, view.height / 2 / view.world];
  const found: number[] = [];
  for (let i = 0; i < x.length; i++) {
    if (Math.abs(x[i]! - view.x) > dx || Math.abs(y[i]! - view.y) > dy) continue;
    if (found.length === most) return null;
    found.push(i);
  }
  return found;
}
