import type { Op, State } from '../client/rows';
import type { Instant } from '../instants';

export type { Op, State };

/** `schema.table:id`: what an entity is called everywhere. */
export type Key = string;

/** Where an entity stands in typed arrays, from its first row until the engine is configured anew. */
export type Slot = number;

export type Direction = 1 | -1;

export function keyOf(table: string, id: string): Key {
  return `${table}:${id}`;
}

/** The table and the id of a key; a table's name holds no colon. */
export function splitKey(key: Key): { table: string; id: string } {
  const colon = key.indexOf(':');
  return { table: key.slice(0, colon), id: key.slice(colon + 1) };
}

/** A change of one entity, decoded; `state` is what it is afterwards, null: it is gone. */
export interface Change {
  readonly table: string;
  readonly id: string;
  readonly op: Op;
  readonly at: Instant;
  readonly state: State | null;
  /** Bytes of the line that it came in: what it is taken to weigh. */
  readonly bytes: number;
}

/** Where the position of a table's rows is found. */
export type PositionSource =
  | { readonly kind: 'pair'; readonly lon: string; readonly lat: string }
  | { readonly kind: 'geojson' | 'wkt' | 'ewkb' | 'debezium'; readonly field: string };

/** How the rows of one table are shown; detected, and changeable. */
export interface TableRule {
  readonly position: PositionSource | null;
  /** Field with the heading, degrees clockwise from north. */
  readonly heading: string | null;
  /** Field with the name that is shown. */
  readonly label: string | null;
}

/** A position in web mercator, both 0 to 1 from the north-west corner, as MapLibre's `MercatorCoordinate`. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** By what entities are coloured. */
export type Colouring = { readonly by: 'table' } | { readonly by: 'column'; readonly column: string };
