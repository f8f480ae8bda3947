import type { Map as MapLibre, StyleSpecification } from 'maplibre-gl';
import { feature, mesh } from 'topojson-client';
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
  map.addSource('land', { type: 'geojson', data: feature(world, land) });
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
