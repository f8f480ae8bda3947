import type { Map as MapLibre, StyleSpecification } from 'maplibre-gl';
import { feature, mesh } from 'topojson-client';
import type { Geometry, Position } from 'geojson';
import type { GeometryCollection, Topology } from 'topojson-specification';
import atlas from 'world-atlas/countries-10m.json?url';
import type { MapColours } from './colours';

type World = Topology<{ countries: GeometryCollection; land: GeometryCollection }>;

/** The sea alone: what is there before land and borders have come. */
export function seaStyle(colours: MapColours): StyleSpecification {
  return {
    version: 8,
    sources: {},
    layers: [{ id: 'sea', type: 'background', paint: { 'background-color': colours.css.sea } }],
  };
}

/** Land and borders of Natural Earth, from our own origin. */
export async function addLand(map: MapLibre, colours: MapColours, before?: string): Promise<void> {
  const answer = await fetch(atlas);
  if (!answer.ok) throw new Error(`The base map could not be loaded (${answer.status}).`);
  const world = (await answer.json()) as World;
  const { countries, land } = world.objects;
  const earth = feature(world, land);
  for (const { geometry } of earth.features) unwrap(geometry);
  map.addSource('land', { type: 'geojson', data: earth });
  map.addSource('borders', { type: 'geojson', data: mesh(world, countries, (a, b) => a !== b) });
  const { css } = colours;
  map.addLayer({ id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': css.land } }, before);
  map.addLayer({ id: 'coast', type: 'line', source: 'land', paint: { 'line-color': css.coast } }, before);
  map.addLayer(
    { id: 'borders', type: 'line', source: 'borders', paint: { 'line-color': css.border, 'line-dasharray': [3, 2] } },
    before,
  );
}

export function paint(map: MapLibre, { css }: MapColours): void {
  map.setPaintProperty('sea', 'background-color', css.sea);
  if (!map.getLayer('land')) return;
  map.setPaintProperty('land', 'fill-color', css.land);
  map.setPaintProperty('coast', 'line-color', css.coast);
  map.setPaintProperty('borders', 'line-color', css.border);
}

/** Where a coast crosses the meridian of 180° it goes on beyond it, instead of back around the Earth. */
export function unwrap(geometry: Geometry): void {
  if (geometry.type === 'Polygon') geometry.coordinates.forEach(unwrapRing);
  else if (geometry.type === 'MultiPolygon') for (const one of geometry.coordinates) one.forEach(unwrapRing);
}

function unwrapRing(ring: Position[]): void {
  let turns = 0;
  let last = ring[0]?.[0] ?? 0;
  for (const place of ring) {
    const [lon, lat] = [place[0]!, place[1]!];
    // The edge of Antarctica along the pole is no coast.
    if (Math.abs(lon - last) > 180 && lat > -80) turns += lon < last ? 1 : -1;
    last = lon;
    place[0] = lon + 360 * turns;
  }
}
