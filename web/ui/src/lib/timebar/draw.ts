import { highest, rateOf, type Bar, type Count } from './activity';
import type { Gap } from './gaps';
import type { Palette } from './palette.svelte';
import { overlap, toX, type Scale } from './scale';

/** What is drawn: bars over gaps, on so many pixels. */
export interface Picture {
  readonly scale: Scale;
  readonly height: number;
  readonly bars: readonly Bar[];
  readonly gaps: readonly Gap[];
  readonly colourOf: (count: Count) => string;
  readonly palette: Palette;
}

/** Draw it all anew; `density`: device pixels per pixel. */
export function draw(canvas: HTMLCanvasElement, picture: Picture, density: number): void {
  const { scale, height } = picture;
  const [width, tall] = [Math.round(scale.width * density), Math.round(height * density)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== tall) canvas.height = tall;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, scale.width, height);
  for (const gap of picture.gaps) drawGap(context, picture, gap);
  const most = highest(picture.bars, scale);
  if (most > 0) for (const bar of picture.bars) drawBar(context, picture, bar, most);
}

/** Its parts from below; each that is there at all can be seen. */
function drawBar(context: CanvasRenderingContext2D, picture: Picture, bar: Bar, most: number): void {
  const { scale, height } = picture;
  if (!overlap(bar, scale)) return;
  const [left, right] = [Math.max(-1, toX(scale, bar.start)), Math.min(scale.width + 1, toX(scale, bar.end))];
  const width = Math.max(1, right - left - (right - left > 3 ? 1 : 0));
  const tall = Math.max(2, (rateOf(bar) / most) * (height - 4));
  let below = height;
  for (const count of bar.counts) {
    const part = (count.changes / bar.total) * tall;
    context.fillStyle = picture.colourOf(count);
    context.fillRect(left, below - part, width, part);
    below -= part;
  }
}

/** Hatched, so that it is not told by colour alone. */
function drawGap(context: CanvasRenderingContext2D, { scale, height, palette }: Picture, gap: Gap): void {
  const seen = overlap(gap, scale);
  if (!seen) return;
  const left = toX(scale, seen.start);
  const width = Math.max(3, toX(scale, seen.end) - left);
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  context.globalAlpha = 0.25;
  context.fillStyle = palette.gap;
  context.fillRect(left, 0, width, height);
  context.globalAlpha = 1;
  context.strokeStyle = palette.gap;
  context.lineWidth = 2;
  context.beginPath();
  for (let x = left - height; x < left + width; x += 8) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}
