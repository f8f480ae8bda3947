import type { Schemas } from '../client/client';
import { isTelling } from '../fold/positions';
import type { Colouring, TableRule } from '../fold/types';

/** A table as the server knows it: its columns, and where its positions are. */
export type KnownTable = Pick<Schemas['SeenTableView'], 'table_name' | 'columns' | 'wide' | 'location'>;

/** Fields of states that a part of the page shows; null: it needs all of them. */
export type ShownFields = () => readonly string[] | null;

/** What of the states is seen. */
export interface Shown {
  /** Only these tables; none: all. */
  readonly tables?: readonly string[];
  readonly rules: Readonly<Record<string, TableRule>>;
  readonly colouring: Colouring;
  readonly parts: readonly ShownFields[];
}

/** An address should stay shorter than servers on the way allow. */
const MOST_FIELDS = 100;

/**
 * The fields of states that are to be fetched: those that the map draws and those that parts show; null: all of them.
 * Of a table of which it is not known where its positions are, all are looked at.
 */
export function fieldsOf(known: readonly KnownTable[], shown: Shown): readonly string[] | null {
  const parts = shown.parts.map((part) => part());
  const tables = known.filter(({ table_name }) => !shown.tables?.length || shown.tables.includes(table_name));
  if (tables.length === 0 || parts.some((fields) => fields === null)) return null;
  const wanted = new Set([
    ...tables.flatMap((table) => drawnOf(table, shown.rules[table.table_name])),
    ...(shown.colouring.by === 'column' ? [shown.colouring.column] : []),
    ...parts.flatMap((fields) => fields ?? []),
  ]);
  const there = new Set(tables.flatMap(({ columns }) => columns));
  const fields = [...wanted].filter((field) => there.has(field)).sort();
  return fields.length === 0 || fields.length === there.size || fields.length > MOST_FIELDS ? null : fields;
}

/** The fields that place, turn and name what is on the map; empty: the tables have none, or more than can be named. */
export function placingFields(known: readonly KnownTable[], shown: Pick<Shown, 'tables' | 'rules'>): readonly string[] {
  const tables = known.filter(({ table_name }) => !shown.tables?.length || shown.tables.includes(table_name));
  const wanted = tables.flatMap((table) => {
    const placing = placingOf(table, shown.rules[table.table_name]);
    return placing.filter((field) => table.columns.includes(field));
  });
  const fields = [...new Set(wanted)].sort();
  return fields.length > MOST_FIELDS ? [] : fields;
}

/** Tables by name, those first that the map shows: there are fewer colours than a source may have tables. */
export function colourOrder(known: readonly Pick<KnownTable, 'table_name' | 'location'>[]): readonly string[] {
  const names = (isSeen: boolean): string[] =>
    known.flatMap(({ table_name, location }) => ((location !== null) === isSeen ? [table_name] : [])).sort();
  return [...names(true), ...names(false)];
}

/** Whether some fields hold all others that are wanted; null: all there are. */
export function holdAll(fields: readonly string[] | null, wanted: readonly string[] | null): boolean {
  return fields === null || (wanted !== null && wanted.every((field) => fields.includes(field)));
}

/** What the map needs of a table. */
function drawnOf(table: KnownTable, rule: TableRule | undefined): readonly string[] {
  return rule || table.location ? placingOf(table, rule) : table.columns;
}

/** What is known to say where a row is and how it is called: by the rule, or as the server and the names have it. */
function placingOf({ columns, location }: KnownTable, rule: TableRule | undefined): readonly string[] {
  if (rule) return [...positionOf(rule), rule.heading, rule.label].filter((field) => field !== null);
  return [...(location?.columns ?? []), ...columns.filter(isTelling)];
}

function positionOf({ position }: TableRule): string[] {
  if (!position) return [];
  return position.kind === 'pair' ? [position.lon, position.lat] : [position.field];
}
