import { cellText } from '../fold/rows';
import type { EntityRow, RowsPage } from '../worker/protocol';

export { cellText };

/** So many columns are shown until others are chosen. */
export const MOST_COLUMNS = 12;

export interface Column {
  /** As rows are sorted and filtered by it. */
  readonly name: string;
  readonly label: string;
  readonly kind: 'table' | 'id' | 'since' | 'field';
}

/** Columns that every entity has. */
export const FIXED: readonly Column[] = [
  { name: 'table', label: 'Table', kind: 'table' },
  { name: 'id', label: 'Id', kind: 'id' },
  { name: 'since', label: 'Changed', kind: 'since' },
];

/** By key, the columns that have just changed. */
export type CellChanges = ReadonlyMap<string, ReadonlySet<string>>;

/** The columns of a table (null: of all): what every entity has, then its fields, without those that say the same. */
export function columnsOf(fields: readonly string[], table: string | null): Column[] {
  const own = FIXED.filter(({ kind, name }) => (kind !== 'table' || table === null) && !fields.includes(name));
  return [...own, ...fields.map((name) => ({ name, label: name, kind: 'field' as const }))];
}

/** What a cell of a row says; the time of its change is said by the table itself. */
export function textOf(row: EntityRow, column: Column): string {
  if (column.kind === 'table') return row.table;
  if (column.kind === 'id') return row.id;
  return column.kind === 'since' ? '' : cellText(row.state[column.name]);
}

/** Whether a cell's value is a number, which is set to the right. */
export function isNumber(row: EntityRow, column: Column): boolean {
  return column.kind === 'field' && typeof row.state[column.name] === 'number';
}

/** The cells of rows that are in both pages and differ. */
export function changedCells(before: RowsPage | null, after: RowsPage): CellChanges {
  const found = new Map<string, ReadonlySet<string>>();
  if (!before) return found;
  const then = new Map(before.rows.map((row) => [row.key, row]));
  for (const row of after.rows) {
    const old = then.get(row.key);
    if (!old || old.since === row.since) continue;
    const names = new Set([...Object.keys(old.state), ...Object.keys(row.state)]);
    const changed = [...names].filter((name) => cellText(old.state[name]) !== cellText(row.state[name]));
    found.set(row.key, new Set(['since', ...changed]));
  }
  return found;
}
