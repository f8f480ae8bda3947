import type { PositionSource, State, TableRule } from './types';

/** Degrees. */
export interface Place {
  readonly lon: number;
  readonly lat: number;
}

/** Names by which a pair of columns is known, the likeliest first. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['lon', 'lat'],
  ['lng', 'lat'],
  ['longitude', 'latitude'],
  ['long', 'lat'],
];
const HEADING = /^(heading|course|bearing|cog|hdg|track|azimuth)(_?deg(rees)?)?$/i;
const LABEL = /^(name|label|title|callsign|call_sign|display_name)$/i;
const WKT = /^\s*(?:SRID=\d+;\s*)?(?:MULTI)?(?:POINT|LINESTRING|POLYGON)[^(]*\(+\s*([-+\d.eE]+)\s+([-+\d.eE]+)/i;
const HEX = /^[0-9a-f]{42,}$/i;

/** Whether a column's name says that it holds what is drawn: a position, a heading or a label. */
export function isTelling(column: string): boolean {
  return PAIRS.flat().includes(column.toLowerCase()) || HEADING.test(column) || LABEL.test(column);
}

/** What a table's rows look like, from some of them. */
export function detect(states: readonly State[]): TableRule {
  const fields = [...new Set(states.flatMap((state) => Object.keys(state)))];
  return {
    position: detectPair(fields, states) ?? detectShape(fields, states),
    heading: fields.find((field) => HEADING.test(field)) ?? null,
    label: fields.find((field) => LABEL.test(field)) ?? null,
  };
}

function detectPair(fields: readonly string[], states: readonly State[]): PositionSource | null {
  const byName = new Map(fields.map((field) => [field.toLowerCase(), field]));
  for (const [east, north] of PAIRS) {
    const [lon, lat] = [byName.get(east), byName.get(north)];
    if (lon === undefined || lat === undefined) continue;
    const source: PositionSource = { kind: 'pair', lon, lat };
    if (fits(source, states)) return source;
  }
  return null;
}

function detectShape(fields: readonly string[], states: readonly State[]): PositionSource | null {
  for (const field of fields) {
    for (const kind of ['geojson', 'debezium', 'wkt', 'ewkb'] as const) {
      if (fits({ kind, field }, states)) return { kind, field };
    }
  }
  return null;
}

/** Whether there are positions, and nothing else, where they are looked for. */
function fits(source: PositionSource, states: readonly State[]): boolean {
  const given = states.filter((state) => valueOf(source, state) != null);
  return given.length > 0 && given.every((state) => placeOf(source, state) !== null);
}

function valueOf(source: PositionSource, state: State): unknown {
  return source.kind === 'pair' ? (state[source.lon] ?? state[source.lat]) : state[source.field];
}

/** Where a row is; null: nowhere. */
export function placeOf(source: PositionSource, state: State): Place | null {
  switch (source.kind) {
    case 'pair':
      return place(number(state[source.lon]), number(state[source.lat]));
    case 'geojson':
      return geojson(state[source.field]);
    case 'wkt': {
      const found = WKT.exec(text(state[source.field]));
      return found ? place(Number(found[1]), Number(found[2])) : null;
    }
    case 'ewkb':
      return ewkb(fromHex(text(state[source.field])));
    case 'debezium': {
      const value = state[source.field] as { wkb?: unknown } | null | undefined;
      return typeof value === 'object' && value !== null ? ewkb(fromBase64(text(value.wkb))) : null;
    }
  }
}

/** Degrees clockwise from north; NaN: none. */
export function headingOf(rule: TableRule, state: State): number {
  return rule.heading === null ? NaN : number(state[rule.heading]);
}

export function labelOf(rule: TableRule | undefined, id: string, state: State | null): string {
  const value = rule?.label && state ? state[rule.label] : undefined;
  return value == null || value === '' ? id : String(value);
}

function place(lon: number, lat: number): Place | null {
  return Math.abs(lon) <= 180 && Math.abs(lat) <= 90 ? { lon, lat } : null; // NaN is not
}

/** A number, also written as text: exact decimals arrive so. */
function number(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The first position in it: a point's own, a line's beginning. */
function geojson(value: unknown): Place | null {
  let shape = value;
  if (typeof value === 'string') {
    if (!value.trimStart().startsWith('{')) return null;
    try {
      shape = JSON.parse(value);
    } catch {
      return null;
    }
  }
  if (Array.isArray(shape)) return null; // some numbers, not a shape
  for (let depth = 0; depth < 8 && typeof shape === 'object' && shape !== null; depth++) {
    const one = shape as { geometry?: unknown; coordinates?: unknown; features?: unknown; geometries?: unknown };
    if (Array.isArray(shape)) {
      if (typeof shape[0] === 'number') return place(shape[0], number(shape[1]));
      shape = shape[0] as unknown;
    } else {
      shape = one.geometry ?? one.coordinates ?? one.features ?? one.geometries;
    }
  }
  return null;
}

/** The first position of a (PostGIS extended) well-known binary. */
function ewkb(bytes: Uint8Array | null): Place | null {
  if (!bytes || bytes.length < 21) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + 21 <= bytes.length;) {
    const little = view.getUint8(offset) === 1;
    if (view.getUint8(offset) > 1) return null;
    const type = view.getUint32(offset + 1, little);
    offset += 5 + (type & 0x2000_0000 ? 4 : 0);
    const shape = (type & 0xff) % 1000;
    if (shape < 1 || shape > 7) return null;
    if (shape <= 3) {
      offset += shape === 1 ? 0 : shape === 2 ? 4 : 8; // counts of points, of rings and of the first ring's points
      return offset + 16 <= bytes.length
        ? place(view.getFloat64(offset, little), view.getFloat64(offset + 8, little))
        : null;
    }
    offset += 4; // a collection: its first member begins behind the count
  }
  return null;
}

function fromHex(hex: string): Uint8Array | null {
  if (!HEX.test(hex)) return null;
  return Uint8Array.from({ length: hex.length >> 1 }, (_, index) => parseInt(hex.slice(2 * index, 2 * index + 2), 16));
}

function fromBase64(encoded: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}
