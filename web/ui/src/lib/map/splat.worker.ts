import { splat } from './splat';
import type { Points, View } from './view';

/** What the page sends: points or colours when they are new, and each time where to draw them. */
export interface SplatAsked {
  readonly points?: Points;
  readonly colours?: Uint32Array;
  readonly view: View;
  readonly ratio: number;
}

let points: Points | null = null;
let colours = new Uint32Array();
let canvas: OffscreenCanvas | null = null;
let picture: ImageData | null = null;

self.onmessage = ({ data }: MessageEvent<SplatAsked>) => {
  points = data.points ?? points;
  colours = (data.colours as typeof colours | undefined) ?? colours;
  const width = Math.round(data.view.width * data.ratio);
  const height = Math.round(data.view.height * data.ratio);
  if (!points || width < 1 || height < 1) return self.postMessage(null);
  if (!picture || picture.width !== width || picture.height !== height) picture = new ImageData(width, height);
  canvas ??= new OffscreenCanvas(width, height);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  splat(points, data.view, colours, data.ratio, new Uint32Array(picture.data.buffer));
  canvas.getContext('2d', { willReadFrequently: true })?.putImageData(picture, 0, 0);
  const bitmap = canvas.transferToImageBitmap();
  self.postMessage(bitmap, { transfer: [bitmap] });
};
