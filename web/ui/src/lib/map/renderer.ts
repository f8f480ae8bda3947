import type { Map as MapLibre } from 'maplibre-gl';
import type { Colour } from './colours';
import { GlRenderer } from './gl';
import { SplatRenderer } from './splatting';
import type { Points, View } from './view';

/** Draws all entities; one for graphics cards, one for computers without. */
export interface PointRenderer {
  readonly kind: 'gl' | 'splat';
  setPoints(points: Points): void;
  /** By group. */
  setColours(colours: readonly Colour[], edge: Colour): void;
  /** The map has moved. */
  moved(view: View): void;
  close(): void;
}

const SOFTWARE = /SwiftShader|llvmpipe|softpipe|Basic Render|Software/i;

/** Whether the processor draws what a graphics card should. */
export function isSoftware(renderer: string): boolean {
  return SOFTWARE.test(renderer);
}

function rendererName(canvas: HTMLCanvasElement): string {
  const gl = canvas.getContext('webgl2');
  const told = gl?.getExtension('WEBGL_debug_renderer_info');
  return gl && told ? String(gl.getParameter(told.UNMASKED_RENDERER_WEBGL)) : '';
}

/** The renderer for this computer; `over` is the canvas above the map that the splatting one uses. */
export function rendererFor(map: MapLibre, over: HTMLCanvasElement): PointRenderer {
  return isSoftware(rendererName(map.getCanvas())) ? new SplatRenderer(over) : new GlRenderer(map);
}
