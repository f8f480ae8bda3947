import type { Points, View } from './view';

/** Many entities in few pixels, drawn as their number. */
export interface Cluster {
  readonly x: number;
  readonly y: number;
  readonly count: number;
}

export interface Clustered {
  readonly clusters: readonly Cluster[];
  /** Indices of the points outside of every cluster; null: all of them. */
  readonly single: Uint32Array | null;
}

/** A cell's side, pixels at the whole zoom level below. */
const CELL = 64;
/** Fewer in one cell are drawn one by one. */
export const LEAST = 25;
const TILE = 512;

/**
 * Count the points in the cells of a grid that is fixed to the world, so that clusters stay where they are when the map
 * is moved; it changes with whole zoom levels alone.
 */
export function clusters(points: Pick<Points, 'x' | 'y'>, level: number): Clustered {
  const across = Math.ceil((TILE * 2 ** level) / CELL);
  const { x, y } = points;
  const cells = new Map<number, number>();
  const cellOf = new Uint32Array(x.length);
  const counts: number[] = [];
  for (let i = 0; i < x.length; i++) {
    const id = Math.floor(y[i]! * across) * across + Math.floor(x[i]! * across);
    let cell = cells.get(id);
    if (cell === undefined) {
      cell = counts.push(0) - 1;
      cells.set(id, cell);
    }
    cellOf[i] = cell;
    counts[cell]!++;
  }
  return counts.some((count) => count >= LEAST) ? gather(points, cellOf, counts) : { clusters: [], single: null };
}

function gather(points: Pick<Points, 'x' | 'y'>, cellOf: Uint32Array, counts: readonly number[]): Clustered {
  const sums = new Float64Array(counts.length * 2);
  const single = new Uint32Array(points.x.length);
  let singles = 0;
  for (let i = 0; i < cellOf.length; i++) {
    const cell = cellOf[i]!;
    if (counts[cell]! < LEAST) {
      single[singles++] = i;
      continue;
    }
    sums[2 * cell]! += points.x[i]!;
    sums[2 * cell + 1]! += points.y[i]!;
  }
  const found = counts.flatMap((count, cell) =>
    count < LEAST ? [] : [{ x: sums[2 * cell]! / count, y: sums[2 * cell + 1]! / count, count }],
  );
  return { clusters: found, single: single.slice(0, singles) };
}

/** Those in view, the largest first, at most so many. */
export function largest(found: readonly Cluster[], view: View, most: number): readonly Cluster[] {
  const [dx, dy] = [view.width / 2 / view.world, view.height / 2 / view.world];
  const seen = found.filter(({ x, y }) => Math.abs(x - view.x) <= dx && Math.abs(y - view.y) <= dy);
  return seen.sort((a, b) => b.count - a.count).slice(0, most);
}

/** Some of the points, by index. */
export function some(points: Points, indices: Uint32Array): Points {
  const count = indices.length;
  const chosen = {
    x: new Float64Array(count),
    y: new Float64Array(count),
    heading: new Float32Array(count),
    group: new Uint8Array(count),
  };
  for (let i = 0; i < count; i++) {
    const from = indices[i]!;
    chosen.x[i] = points.x[from]!;
    chosen.y[i] = points.y[from]!;
    chosen.heading[i] = points.heading[from]!;
    chosen.group[i] = points.group[from]!;
  }
  return chosen;
}
