import { MsrError } from '../client/errors';
import type { KnownTable } from '../replay/fields';
import { changedCells, columnsOf, MOST_COLUMNS, type CellChanges, type Column } from './cells';
import type { EntityRow, RowsPage, RowsQuery } from '../worker/protocol';

/** Rows that are asked for above and below those that are seen, so that scrolling finds them. */
export const MARGIN_ROWS = 50;
/** No more often than this are rows asked for anew while the world changes, milliseconds. */
const PAUSE = 200;
/** How long what has changed stays marked, milliseconds. */
export const MARKED = 1_500;

export type Sort = NonNullable<RowsQuery['sort']>;
export type Ask = (query: RowsQuery) => Promise<RowsPage>;

/** What the table of entities shows: a page of rows around those that are seen, and how they were chosen. */
export class TableModel {
  table = $state.raw<string | null>(null);
  search = $state.raw('');
  filters = $state.raw<Readonly<Record<string, string>>>({});
  sort = $state.raw<Sort | null>(null);
  /** Columns that the user has chosen; null: the first ones. */
  chosen = $state.raw<readonly string[] | null>(null);

  page = $state.raw<RowsPage | null>(null);
  /** Cells that have just changed; a new map with every change. */
  changes = $state.raw<CellChanges>(new Map());
  error = $state.raw<MsrError | null>(null);

  /** Every column there is, first those that every entity has. */
  readonly offered = $derived.by(() => {
    const known = this.#tables().flatMap(({ columns }) => columns);
    return columnsOf([...new Set([...known, ...(this.page?.columns ?? [])])], this.table);
  });
  readonly columns: readonly Column[] = $derived.by(() => {
    const { chosen, offered } = this;
    if (chosen) return offered.filter(({ name }) => chosen.includes(name));
    const wide = new Set(this.#tables().flatMap((table) => table.wide));
    return offered.filter(({ name }) => !wide.has(name)).slice(0, MOST_COLUMNS);
  });
  /** Fields of states that are shown, sorted or filtered by; null: all, as it is searched in every field. */
  readonly fields: readonly string[] | null = $derived.by(() => {
    if (this.search.trim() !== '') return null;
    const filtered = Object.entries(this.filters).filter(([, text]) => text !== '');
    const names = [...this.columns.map(({ name }) => name), ...filtered.map(([name]) => name)];
    return this.sort ? [...names, this.sort.column] : names;
  });
  readonly total = $derived(this.page?.total ?? 0);
  readonly narrowed = $derived(this.search.trim() !== '' || Object.values(this.filters).some((text) => text !== ''));

  readonly #ask: Ask;
  readonly #known: () => readonly KnownTable[];
  readonly #now: () => number;
  #first = 0;
  #count = 0;
  #asking = false;
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unmark: ReturnType<typeof setTimeout> | undefined;
  #asked = '';

  /** @param known the tables that there are, with their columns, as far as they are known */
  constructor(ask: Ask, known: () => readonly KnownTable[] = () => [], now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#known = known;
    this.#now = now;
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#unmark);
  }

  /** The row at a place of the whole; undefined: it has not arrived. */
  row(index: number): EntityRow | undefined {
    return this.page?.rows[index - this.page.offset];
  }

  /** Which rows are seen; those that are missing are asked for. */
  see(first: number, count: number): void {
    [this.#first, this.#count] = [first, count];
    const page = this.page;
    const last = Math.min(first + count, this.total);
    if (!page || first < page.offset || last > page.offset + page.rows.length) void this.refresh();
  }

  /** Ask anew: the world has changed, or what is wanted of it. */
  async refresh(): Promise<void> {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    const began = this.#now();
    try {
      this.#take(await this.#ask(this.#query()));
      this.error = null;
    } catch (error) {
      const found = MsrError.of(error);
      if (found.code !== 'ABORTED') this.error = found;
    }
    this.#rest(this.#now() - began);
  }

  setTable(table: string | null): void {
    this.table = table;
    this.filters = {};
    this.sort = null;
    this.chosen = null;
    void this.refresh();
  }

  setSearch(search: string): void {
    this.search = search;
    void this.refresh();
  }

  setFilter(column: string, text: string): void {
    this.filters = { ...this.filters, [column]: text };
    void this.refresh();
  }

  clearFilters(): void {
    this.search = '';
    this.filters = {};
    void this.refresh();
  }

  /** Sort by a column: upwards, then downwards, then not. */
  sortBy(column: string): void {
    const { sort } = this;
    if (sort?.column !== column) this.sort = { column, descending: false };
    else this.sort = sort.descending ? null : { column, descending: true };
    void this.refresh();
  }

  showColumn(name: string, shown: boolean): void {
    const now = this.columns.map((column) => column.name);
    this.chosen = shown ? [...now, name] : now.filter((one) => one !== name);
  }

  /** What is known of the table that is shown, or of all. */
  #tables(): readonly KnownTable[] {
    return this.#known().filter(({ table_name }) => this.table === null || this.table === table_name);
  }

  #query(): RowsQuery {
    const filters = Object.entries(this.filters).map(([column, text]) => ({ column, text }));
    return {
      table: this.table,
      search: this.search,
      filters,
      sort: this.sort ?? undefined,
      offset: Math.max(0, this.#first - MARGIN_ROWS),
      limit: this.#count + 2 * MARGIN_ROWS,
    };
  }

  #take(page: RowsPage): void {
    const asked = JSON.stringify([this.table, this.sort]);
    const changes = asked === this.#asked ? changedCells(this.page, page) : new Map<string, ReadonlySet<string>>();
    this.#asked = asked;
    this.page = page;
    if (changes.size === 0) return;
    this.changes = changes;
    clearTimeout(this.#unmark);
    this.#unmark = setTimeout(() => (this.changes = new Map()), MARKED);
  }

  /** Wait before the next question, longer after one that took long, so that playing does not suffer. */
  #rest(took: number): void {
    const ask = (): void => {
      this.#asking = false;
      if (!this.#again) return;
      this.#again = false;
      void this.refresh();
    };
    if (took < 20 && this.#isFar()) ask();
    else this.#timer = setTimeout(ask, Math.max(PAUSE, 3 * took));
  }

  /** Whether what is seen is not what was fetched: it was scrolled on, which must not wait. */
  #isFar(): boolean {
    const page = this.page;
    if (!page) return false;
    return (
      this.#first < page.offset || Math.min(this.#first + this.#count, page.total) > page.offset + page.rows.length
    );
  }
}
