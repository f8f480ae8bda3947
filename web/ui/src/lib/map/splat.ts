import type { Points, View } from './view';

/** Pixels from the middle of an entity to its edge; its heading is a line of twice that. */
const REACH = 2;
const NEEDLE = 9;

/**
 * Draw points straight into the pixels of a picture: what is quickest where a processor does the work of a graphics card.
 * `colours` are as in the memory of an `ImageData`.
 */
export function splat(points: Points, view: View, colours: Uint32Array, ratio: number, into: Uint32Array): void {
  const width = Math.round(view.width * ratio);
  const height = Math.round(view.height * ratio);
  const scale = view.world * ratio;
  const [dx, dy] = [width / 2 - view.x * scale, height / 2 - view.y * scale];
  const reach = Math.round(REACH * ratio);
  const needles = points.x.length <= 20_000;
  into.fill(0);
  for (let i = 0; i < points.x.length; i++) {
    const left = Math.round(points.x[i]! * scale + dx);
    const top = Math.round(points.y[i]! * scale + dy);
    if (left < reach || top < reach || left >= width - reach || top >= height - reach) continue;
    const colour = colours[points.group[i]!] ?? 0;
    for (let row = top - reach; row <= top + reach; row++) {
      into.fill(colour, row * width + left - reach, row * width + left + reach + 1);
    }
    if (needles && !Number.isNaN(points.heading[i]!))
      needle(into, width, height, left, top, points.heading[i]!, colour, ratio);
  }
}

/** A short line that says where it is heading. */
function needle(
  into: Uint32Array,
  width: number,
  height: number,
  left: number,
  top: number,
  heading: number,
  colour: number,
  ratio: number,
): void {
  const angle = (heading * Math.PI) / 180;
  const [east, south] = [Math.sin(angle), -Math.cos(angle)];
  for (let step = 0; step <= NEEDLE * ratio; step++) {
    const [x, y] = [Math.round(left + east * step), Math.round(top + south * step)];
    if (x < 0 || y < 0 || x + 1 >= width || y >= height) return;
    into[y * width + x] = colour;
    into[y * width + x + 1] = colour;
  }
}
