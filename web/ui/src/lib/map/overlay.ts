import type { MapColours } from './colours';
import type { Cluster } from './clusters';
import type { Ghost } from './ghosts';
import { toPixel, type Points, type View } from './view';

/** A line along which an entity came, and where it is now; web mercator. */
export interface Line {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly group: number;
  readonly end: number;
}

/** What is drawn over the entities: few things, by the handful. */
export interface Scene {
  readonly points: Points;
  readonly clusters: readonly Cluster[];
  /** Indices of points; -1: none. */
  readonly selected: number;
  readonly hovered: number;
  /** By index. */
  readonly labels: ReadonlyMap<number, string>;
  readonly lines: readonly Line[];
  readonly ghosts: readonly Ghost[];
}

const FONT = '12px system-ui, sans-serif';
const SIGNS = { created: '+', deleted: '×', changed: '•' } as const;
const COLOUR = { created: 'created', deleted: 'deleted', changed: 'updated' } as const;

export function drawOverlay(canvas: HTMLCanvasElement, view: View, scene: Scene, colours: MapColours): void {
  const ratio = devicePixelRatio;
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, view.width, view.height);
  pen.font = FONT;
  for (const line of scene.lines) drawLine(pen, view, line, scene.points, colours);
  for (const ghost of scene.ghosts) drawGhost(pen, view, ghost, colours);
  for (const cluster of scene.clusters) drawCluster(pen, view, cluster, colours);
  ring(pen, view, scene.points, scene.hovered, colours.css.text, 1.5);
  ring(pen, view, scene.points, scene.selected, colours.css.playhead, 3);
  drawLabels(pen, view, scene, colours);
}

function drawLine(pen: CanvasRenderingContext2D, view: View, line: Line, points: Points, colours: MapColours): void {
  const [red, green, blue] = colours.groups[line.group] ?? colours.groups[0]!;
  pen.beginPath();
  for (let i = 0; i < line.x.length; i++) {
    const { left, top } = toPixel(view, line.x[i]!, line.y[i]!);
    pen.lineTo(left, top);
  }
  const end = toPixel(view, points.x[line.end]!, points.y[line.end]!);
  pen.lineTo(end.left, end.top);
  pen.strokeStyle = `rgb(${red} ${green} ${blue} / 70%)`;
  pen.lineWidth = 2;
  pen.lineJoin = 'round';
  pen.stroke();
}

function drawGhost(pen: CanvasRenderingContext2D, view: View, ghost: Ghost, { css }: MapColours): void {
  const { left, top } = toPixel(view, ghost.x, ghost.y);
  pen.strokeStyle = pen.fillStyle = css[COLOUR[ghost.kind]];
  pen.lineWidth = 2;
  pen.setLineDash(ghost.kind === 'deleted' ? [3, 3] : []);
  pen.beginPath();
  pen.arc(left, top, 8, 0, 2 * Math.PI);
  if (ghost.from) {
    const from = toPixel(view, ghost.from.x, ghost.from.y);
    pen.moveTo(from.left, from.top);
    pen.lineTo(left, top);
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.fillText(SIGNS[ghost.kind], left, top);
}

function drawCluster(pen: CanvasRenderingContext2D, view: View, cluster: Cluster, { css }: MapColours): void {
  const { left, top } = toPixel(view, cluster.x, cluster.y);
  pen.beginPath();
  pen.arc(left, top, clusterRadius(cluster.count), 0, 2 * Math.PI);
  pen.fillStyle = css.surface;
  pen.fill();
  pen.strokeStyle = css.accent;
  pen.lineWidth = 2;
  pen.stroke();
  pen.fillStyle = css.text;
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.fillText(shortNumber(cluster.count), left, top);
}

/** Pixels. */
export function clusterRadius(count: number): number {
  return Math.min(28, 12 + 3 * Math.log10(count));
}

/** `940`, `1.2k`, `94k`: it must fit into a small circle. */
export function shortNumber(count: number): string {
  if (count < 1000) return String(count);
  return count < 9950 ? `${(count / 1000).toFixed(1)}k` : `${Math.round(count / 1000)}k`;
}

function ring(
  pen: CanvasRenderingContext2D,
  view: View,
  points: Points,
  index: number,
  colour: string,
  width: number,
): void {
  if (index < 0) return;
  const { left, top } = toPixel(view, points.x[index]!, points.y[index]!);
  pen.beginPath();
  pen.arc(left, top, 11, 0, 2 * Math.PI);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke();
}

/** Names beside their entities, those first that are pointed at; a name that would cover another is left out. */
function drawLabels(pen: CanvasRenderingContext2D, view: View, scene: Scene, { css }: MapColours): void {
  const taken: { left: number; top: number; right: number }[] = [];
  const first = [scene.selected, scene.hovered].filter((index) => scene.labels.has(index));
  pen.textAlign = 'left';
  pen.textBaseline = 'middle';
  pen.lineJoin = 'round';
  for (const index of new Set([...first, ...scene.labels.keys()])) {
    const text = scene.labels.get(index)!;
    const at = toPixel(view, scene.points.x[index]!, scene.points.y[index]!);
    const [left, right] = [at.left + 13, at.left + 13 + pen.measureText(text).width];
    if (taken.some((one) => left < one.right && right > one.left && Math.abs(at.top - one.top) < 15)) continue;
    taken.push({ left, right, top: at.top });
    pen.strokeStyle = css.surface;
    pen.lineWidth = 3;
    pen.strokeText(text, left, at.top);
    pen.fillStyle = css.text;
    pen.fillText(text, left, at.top);
  }
}
