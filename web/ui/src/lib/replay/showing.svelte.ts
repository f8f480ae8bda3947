import type { Schemas } from '../client/client';
import type { Filters } from '../client/rows';
import type { Colouring, TableRule } from '../fold/types';
import { fieldsOf, holdAll, colourOrder, type ShownFields } from './fields';
import { Playhead } from './playhead.svelte';

/** What of the world is seen: which rows, how they are drawn, and so which of their fields are fetched. */
export abstract class Showing extends Playhead {
  /** The tables that may be seen, with their columns. */
  tables = $state.raw<readonly Schemas['SeenTableView'][]>([]);
  filters = $state.raw<Filters>({});
  colouring = $state.raw<Colouring>({ by: 'table' });
  /** How rows become points, by table. */
  rules = $state.raw<Readonly<Record<string, TableRule>>>({});

  #parts = $state.raw<readonly ShownFields[]>([]);
  #fetched: readonly string[] | null | undefined;

  /** Fields of states that are fetched; null: all. */
  readonly fields = $derived.by(() => {
    const { rules, colouring, filters } = this;
    if (filters.clip !== undefined) return null; // its moments are compared by what is held of them
    return fieldsOf(this.tables, { tables: filters.tables, rules, colouring, parts: this.#parts });
  });

  async setFilters(filters: Filters): Promise<void> {
    this.filters = filters;
    await this.attempt(async () => {
      await this.configure();
      this.show();
    });
  }

  /** How a table's rows become points; null: as is detected. */
  async setRule(table: string, rule: TableRule | null): Promise<void> {
    const others = Object.entries(this.rules).filter(([one]) => one !== table);
    this.rules = Object.fromEntries(rule ? [...others, [table, rule]] : others);
    await this.attempt(async () => {
      await this.engine.call('setRules', this.rules);
      await this.#fetchMissing();
      this.show();
    });
  }

  async setColouring(colouring: Colouring): Promise<void> {
    this.colouring = colouring;
    await this.attempt(async () => {
      await this.engine.call('setColouring', colouring);
      await this.#fetchMissing();
      this.show();
    });
  }

  /** Say which fields of states a part of the page shows, as long as it does; returns what ends that. */
  showFields(fields: ShownFields): () => void {
    this.#parts = [...this.#parts, fields];
    return () => (this.#parts = this.#parts.filter((one) => one !== fields));
  }

  protected override tick(): void {
    if (this.#isMissing) {
      void this.attempt(async () => {
        await this.#fetchMissing();
        this.show();
      });
    }
    super.tick();
  }

  /** Fetch what is to be seen, all of it anew. */
  protected async configure(): Promise<void> {
    const { filters, fields } = this;
    this.#fetched = fields;
    await this.engine.call('configure', { filters, fields, tables: colourOrder(this.tables) });
  }

  /** Do something that may fail; what failed is shown. Says whether it went well. */
  protected abstract attempt(work: () => Promise<void>): Promise<boolean>;

  /** Whether a field is shown that was not fetched. */
  get #isMissing(): boolean {
    return this.#fetched !== undefined && !holdAll(this.#fetched, this.fields);
  }

  async #fetchMissing(): Promise<void> {
    if (this.#isMissing) await this.configure();
  }
}
