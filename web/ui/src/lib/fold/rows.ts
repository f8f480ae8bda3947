import type { EntityRow, RowsPage, RowsQuery } from '../worker/protocol';
import type { State } from './types';
import { NONE, type Version } from './versions';
import type { World } from './world';

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** The rows of a table at the instant where a world stands: found, filtered and sorted, a page of them. */
export class Rows {
  #asked = '';
  #found: Version[] = [];
  #columns: string[] = [];

  constructor(private readonly world: World) {}

  page(query: RowsQuery, version: number): RowsPage {
    const { offset, limit, ...rest } = query;
    const asked = JSON.stringify([version, this.world.at, rest]);
    if (asked !== this.#asked) this.#find(query);
    this.#asked = asked;
    const rows = this.#found.slice(offset, offset + limit).map((one) => this.row(one));
    return {
      at: this.world.at ?? 0,
      version,
      total: this.#found.length,
      offset,
      columns: this.#columns,
      rows,
    };
  }

  row(version: Version): EntityRow {
    const { versions, entities } = this.world;
    const slot = versions.slot[version]!;
    return {
      slot,
      key: entities.key(slot),
      table: entities.table(slot),
      id: entities.ids[slot]!,
      since: versions.at[version]!,
      state: versions.states[version]!,
    };
  }

  #find(query: RowsQuery): void {
    const { versions, entities, standing } = this.world;
    const only = query.table === null ? null : entities.tables.indexOf(query.table);
    const search = query.search?.trim().toLowerCase() ?? '';
    const filters = (query.filters ?? []).filter(({ text }) => text !== '');
    const columns = new Set<string>();
    const found: Version[] = [];
    for (let slot = 0; slot < entities.size; slot++) {
      const version = standing[slot] ?? NONE;
      if (version === NONE || (only !== null && entities.tableOf[slot] !== only)) continue;
      const state = versions.states[version];
      if (!state) continue;
      for (const column in state) columns.add(column);
      if (search && !this.#contains(version, state, search)) continue;
      if (filters.every(({ column, text }) => this.#cell(version, column).toLowerCase().includes(text.toLowerCase()))) {
        found.push(version);
      }
    }
    this.#columns = [...columns];
    this.#found = this.#sorted(found, query.sort);
  }

  #contains(version: Version, state: State, search: string): boolean {
    const slot = this.world.versions.slot[version]!;
    if (this.world.entities.ids[slot]!.toLowerCase().includes(search)) return true;
    return Object.values(state).some((value) => cellText(value).toLowerCase().includes(search));
  }

  #cell(version: Version, column: string): string {
    return cellText(this.#value(version, column));
  }

  #value(version: Version, column: string): unknown {
    const { versions, entities } = this.world;
    const own = versions.states[version]![column];
    if (own !== undefined) return own;
    const slot = versions.slot[version]!;
    if (column === 'id') return entities.ids[slot];
    if (column === 'since') return versions.at[version];
    return column === 'table' ? entities.table(slot) : undefined;
  }

  #sorted(found: Version[], sort: RowsQuery['sort']): Version[] {
    const { versions, entities } = this.world;
    const bySlot = (a: Version, b: Version): number => {
      const [one, other] = [versions.slot[a]!, versions.slot[b]!];
      const tables = entities.tableOf[one]! - entities.tableOf[other]!;
      return tables || collator.compare(entities.ids[one]!, entities.ids[other]!);
    };
    if (!sort) return found; // by slot: as they were met, which does not change
    const values = new Map(found.map((version) => [version, this.#value(version, sort.column)]));
    const sign = sort.descending ? -1 : 1;
    return found.sort((a, b) => sign * compareCells(values.get(a), values.get(b)) || bySlot(a, b));
  }
}

/** What a cell shows. */
export function cellText(value: unknown): string {
  if (value == null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Numbers by size, text as people sort it, nothing last. */
function compareCells(a: unknown, b: unknown): number {
  if (a == null || b == null) return a == null ? (b == null ? 0 : 1) : -1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return collator.compare(cellText(a), cellText(b));
}
