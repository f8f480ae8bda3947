import { pixelOf, type Colour } from './colours';
import type { PointRenderer } from './renderer';
import type { SplatAsked } from './splat.worker';
import { isSame, type Points, type View } from './view';

/** Draws in a worker, onto a canvas that lies over the map; one picture is under way at a time. */
export class SplatRenderer implements PointRenderer {
  readonly kind = 'splat';
  readonly #worker = new Worker(new URL('./splat.worker.ts', import.meta.url), { type: 'module' });
  readonly #canvas: HTMLCanvasElement;
  #points: Points | undefined;
  #colours: Uint32Array | undefined;
  #view: View | null = null;
  #busy = false;
  #stale = false;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#worker.onmessage = ({ data }: MessageEvent<ImageBitmap | null>) => this.#drawn(data);
  }

  setPoints(points: Points): void {
    this.#points = points;
    this.#ask();
  }

  setColours(colours: readonly Colour[]): void {
    this.#colours = Uint32Array.from(colours, pixelOf);
    this.#ask();
  }

  /** Also told when nothing but the entities is another: they were asked for already. */
  moved(view: View): void {
    if (this.#view && isSame(this.#view, view)) return;
    this.#view = view;
    this.#ask();
  }

  close(): void {
    this.#worker.terminate();
  }

  #ask(): void {
    if (this.#busy || !this.#view) {
      this.#stale = true;
      return;
    }
    this.#busy = true;
    this.#stale = false;
    const asked: SplatAsked = {
      view: this.#view,
      ratio: Math.min(2, devicePixelRatio),
      ...(this.#points ? { points: this.#points } : {}),
      ...(this.#colours ? { colours: this.#colours } : {}),
    };
    this.#worker.postMessage(asked);
    this.#points = this.#colours = undefined;
  }

  #drawn(bitmap: ImageBitmap | null): void {
    this.#busy = false;
    if (bitmap) {
      if (this.#canvas.width !== bitmap.width) this.#canvas.width = bitmap.width;
      if (this.#canvas.height !== bitmap.height) this.#canvas.height = bitmap.height;
      this.#canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
    }
    if (this.#stale) this.#ask();
  }
}
