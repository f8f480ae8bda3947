import type { Points, View } from './view';

/** The index of the nearest point to a pixel, within so many pixels; -1: none is. Of equally near ones the last is on top. */
export function pick(points: Pick<Points, 'x' | 'y'>, view: View, left: number, top: number, within: number): number {
  const { x, y } = points;
  const px = view.x + (left - view.width / 2) / view.world;
  const py = view.y + (top - view.height / 2) / view.world;
  let nearest = (within / view.world) ** 2;
  let found = -1;
  for (let i = 0; i < x.length; i++) {
    const away = (x[i]! - px) ** 2 + (y[i]! - py) ** 2;
    if (away > nearest) continue;
    nearest = away;
    found = i;
  }
  return found;
}

/** Indices of the `count` points in view that are nearest to its centre, the nearest first. */
export function nearCentre(points: Pick<Points, 'x' | 'y'>, view: View, count: number): number[] {
  const { x, y } = points;
  const [dx, dy] = [view.width / 2 / view.world, view.height / 2 / view.world];
  const found: { index: number; away: number }[] = [];
  for (let index = 0; index < x.length; index++) {
    const [east, south] = [x[index]! - view.x, y[index]! - view.y];
    if (Math.abs(east) > dx || Math.abs(south) > dy) continue;
    const away = east ** 2 + south ** 2;
    if (found.length === count && away >= found[count - 1]!.away) continue;
    const place = found.findIndex((one) => one.away > away);
    found.splice(place < 0 ? found.length : place, 0, { index, away });
    if (found.length > count) found.pop();
  }
  return found.map((one) => one.index);
}
