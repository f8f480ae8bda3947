import { describe, expect, it } from 'vitest';
import { detect, placeOf } from './positions';
import { latOf, lonOf, xOf, yOf } from './mercator';

const POINT = '0101000020E6100000713D0AD7A3F059407B14AE47E17AF43F'; // SRID=4326;POINT(103.76 1.28)
const WKB = btoa(
  String.fromCharCode(
    ...[...'010100000085EB51B81EF159401F85EB51B81EF53F'.matchAll(/../g)].map(([hex]) => parseInt(hex!, 16)),
  ),
);

describe('positions', () => {
  it.each([
    ['a pair of numbers', { id: 1, lon: 103.76, lat: 1.28 }, 'pair'],
    ['a pair of exact decimals, which arrive as text', { Longitude: '103.76', Latitude: '1.28' }, 'pair'],
    ['GeoJSON as text', { where: '{"type":"Point","coordinates":[103.76,1.28]}' }, 'geojson'],
    [
      'a GeoJSON feature',
      { where: { type: 'Feature', geometry: { type: 'Point', coordinates: [103.76, 1.28] } } },
      'geojson',
    ],
    [
      'the beginning of a polygon',
      {
        area: {
          type: 'Polygon',
          coordinates: [
            [
              [103.76, 1.28],
              [104, 2],
            ],
          ],
        },
      },
      'geojson',
    ],
    ['WKT', { geom: 'SRID=4326;POINT Z (103.76 1.28 7)' }, 'wkt'],
    ['EWKB in hex', { geom: POINT }, 'ewkb'],
    ["Debezium's geometry", { geom: { srid: 4326, wkb: WKB } }, 'debezium'],
  ])('are found in %s', (_, state, kind) => {
    const { position } = detect([state]);
    expect(position?.kind).toBe(kind);
    const place = placeOf(position!, state)!;
    expect(place.lon).toBeCloseTo(103.76, 1);
    expect(place.lat).toBeCloseTo(1.3, 1);
  });

  it.each([
    ['some numbers', { gusts: [10.9, 9.3, 10.1] }],
    ['nothing of the kind', { name: 'x', count: 3, tags: ['a'], body: { type: 'note' } }],
    ['x and y of a chart', { x: 1200, y: 900 }],
    ['text that is no number', { lon: 'east', lat: 'north' }],
  ])('are not found in %s', (_, state) => expect(detect([state]).position).toBeNull());

  it('come with a heading and a name, where there are columns for them', () => {
    const rule = detect([{ callsign: 'SQ1', heading_deg: 90, lon: 1, lat: 2 }]);
    expect([rule.label, rule.heading]).toEqual(['callsign', 'heading_deg']);
  });

  it('come back from the projection', () => {
    for (const lat of [-85, -1.3, 0, 45, 85]) expect(latOf(yOf(lat))).toBeCloseTo(lat, 9);
    for (const lon of [-180, 0, 103.8]) expect(lonOf(xOf(lon))).toBeCloseTo(lon, 9);
  });
});
