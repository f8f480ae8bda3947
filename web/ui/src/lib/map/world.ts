import { Map as MapLibre, ScaleControl, setWorkerUrl } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { latOf, lonOf, xOf, yOf } from '../fold/mercator';
import { addLand, paint, seaStyle } from './basemap';
import { clusters, some, type Cluster } from './clusters';
import { onTheme, parseColour, readColours } from './colours';
import { clusterRadius, drawOverlay, type Scene } from './overlay';
import { pick } from './pick';
import { rendererFor, type PointRenderer } from './renderer';
import { boundsOf, toPixel, type Bounds, type Place, type Points, type View } from './view';

setWorkerUrl(workerUrl);

/** The base map knows no more than this. */
const NEAREST = 11;
const WITHIN = 14;
const TILE = 512;
const EVERYWHERE: Place = [1, 20, 0];

export interface Canvases {
  readonly map: HTMLElement;
  readonly points: HTMLCanvasElement;
  readonly overlay: HTMLCanvasElement;
}

/** What the user does on the map. */
export interface Doings {
  picked(index: number): void;
  pointed(index: number): void;
  /** Where it is has changed; `dragged`: by hand. */
  moved(dragged: boolean): void;
  /** Other entities are drawn as their number. */
  clustered(clusters: readonly Cluster[]): void;
  failed(error: Error): void;
}

function sizeOf({ clientWidth: width, clientHeight: height }: HTMLElement): { width: number; height: number } {
  return { width, height };
}

/** The map, its entities and what is drawn over them. */
export class World {
  readonly #map: MapLibre;
  readonly #canvases: Canvases;
  readonly #doings: Doings;
  readonly #ends: (() => void)[] = [];
  #colours;
  #renderer: PointRenderer | null = null;
  #scene: Omit<Scene, 'clusters'>;
  #clusters: readonly Cluster[] = [];
  #clustered: { points: Points; level: number } | null = null;
  #clustering = true;
  /** Kept, since asking for it lays the page out. */
  #size: { readonly width: number; readonly height: number };

  /** @param place where it looks at first; null: at all of the earth that people live on */
  constructor(canvases: Canvases, scene: Omit<Scene, 'clusters'>, place: Place | null, doings: Doings) {
    const [zoom, lat, lon] = place ?? EVERYWHERE;
    this.#canvases = canvases;
    this.#doings = doings;
    this.#scene = scene;
    this.#size = sizeOf(canvases.map);
    this.#colours = readColours(canvases.map);
    this.#map = new MapLibre({
      container: canvases.map,
      style: seaStyle(this.#colours),
      center: [lon, lat],
      zoom,
      maxZoom: NEAREST,
      attributionControl: false,
      locale: { 'Map.Title': 'Moving map' }, // the region around it is the map
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 0,
    });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.keyboard.disableRotation();
    this.#map.addControl(new ScaleControl({ unit: 'metric' }), 'bottom-left');
    this.#listen();
    this.#ends.push(onTheme(() => this.#repaint()));
  }

  get view(): View {
    const { lng, lat } = this.#map.getCenter();
    return { x: xOf(lng), y: yOf(lat), world: TILE * 2 ** this.#map.getZoom(), ...this.#size };
  }

  get place(): Place {
    const { lng, lat } = this.#map.getCenter();
    return [this.#map.getZoom(), lat, lng];
  }

  show(scene: Omit<Scene, 'clusters'>): void {
    this.#scene = scene;
    this.#arrange();
    this.#draw();
  }

  cluster(clustering: boolean): void {
    this.#clustering = clustering;
    this.#clustered = null;
    this.show(this.#scene);
  }

  fit(bounds: Bounds | null = boundsOf(this.#scene.points)): void {
    if (!bounds) return;
    const { west, south, east, north } = bounds;
    const options = { padding: 48, maxZoom: 9, animate: false };
    this.#map.fitBounds([west, south, east, north], options);
  }

  centre(x: number, y: number): void {
    this.#map.jumpTo({ center: [lonOf(x), latOf(y)] });
  }

  /** Look at what a cluster counts. */
  approach({ x, y }: Cluster): void {
    const animate = !matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#map.easeTo({ center: [lonOf(x), latOf(y)], zoom: this.#map.getZoom() + 2, animate });
  }

  /** What is drawn, as one picture. */
  picture(): HTMLCanvasElement {
    const { points, overlay } = this.#canvases;
    const made = document.createElement('canvas');
    [made.width, made.height] = [overlay.width, overlay.height];
    const pen = made.getContext('2d');
    if (!pen) throw new Error('This browser gives no canvas to draw on.');
    this.#map.redraw(); // its canvas holds a picture no longer than it takes to show it
    for (const layer of [this.#map.getCanvas(), points, overlay]) {
      if (layer.width > 0 && layer.height > 0) pen.drawImage(layer, 0, 0, made.width, made.height);
    }
    return made;
  }

  close(): void {
    for (const end of this.#ends) end();
    this.#renderer?.close();
    this.#map.remove();
  }

  #listen(): void {
    const map = this.#map;
    map.on('load', () => {
      this.#renderer = rendererFor(map, this.#canvases.points);
      this.#canvases.map.dataset['renderer'] = this.#renderer.kind;
      this.#repaint();
      this.#arrange();
      this.#draw();
      const before = this.#renderer.kind === 'gl' ? 'entities' : undefined;
      addLand(map, this.#colours, before).catch((error: unknown) => this.#doings.failed(error as Error));
    });
    map.on('move', () => {
      this.#arrange();
      this.#draw();
    });
    map.on('resize', () => {
      this.#size = sizeOf(this.#canvases.map);
      this.#draw();
    });
    map.on('moveend', () => this.#doings.moved(false));
    map.on('dragstart', () => this.#doings.moved(true));
    map.on('click', ({ point }) => this.#pressed(point.x, point.y));
    map.on('mousemove', ({ point }) => this.#doings.pointed(this.#at(point.x, point.y)));
    map.on('mouseout', () => this.#doings.pointed(-1));
    map.on('error', ({ error }) => this.#doings.failed(new Error(error.message)));
  }

  /** The entity at a pixel, unless it is shown as one of many. */
  #at(left: number, top: number): number {
    return this.#clusterAt(left, top) ? -1 : pick(this.#scene.points, this.view, left, top, WITHIN);
  }

  #clusterAt(left: number, top: number): Cluster | undefined {
    const view = this.view;
    return this.#clusters.find((one) => {
      const at = toPixel(view, one.x, one.y);
      return Math.hypot(at.left - left, at.top - top) <= clusterRadius(one.count);
    });
  }

  #pressed(left: number, top: number): void {
    const cluster = this.#clusterAt(left, top);
    if (cluster) this.approach(cluster);
    else this.#doings.picked(this.#at(left, top));
  }

  /** Count together what is too near to each other, when the entities or the zoom level are others. */
  #arrange(): void {
    const { points } = this.#scene;
    const level = Math.floor(this.#map.getZoom());
    if (this.#clustered?.points === points && this.#clustered.level === level) return;
    this.#clustered = { points, level };
    const found = this.#clustering && level < NEAREST - 1 ? clusters(points, level) : { clusters: [], single: null };
    this.#clusters = found.clusters;
    this.#doings.clustered(found.clusters);
    this.#renderer?.setPoints(found.single ? some(points, found.single) : points);
  }

  #draw(): void {
    const view = this.view;
    this.#renderer?.moved(view);
    drawOverlay(this.#canvases.overlay, view, { ...this.#scene, clusters: this.#clusters }, this.#colours);
  }

  #repaint(): void {
    this.#colours = readColours(this.#canvases.map);
    if (!this.#renderer) return;
    paint(this.#map, this.#colours);
    this.#renderer.setColours(this.#colours.groups, parseColour(this.#colours.css.surface));
    this.#clustered = null;
    this.#arrange();
    this.#draw();
  }
}
