import { keyOf, splitKey, type Key, type Slot } from './types';

/** Every entity that was met, each with a slot; tables with a number each. */
export class Entities {
  readonly tables: string[] = [];
  readonly ids: string[] = [];
  /** The number of each slot's table. */
  tableOf = new Uint16Array(1024);
  readonly #slots: Map<string, Slot>[] = [];
  readonly #numbers = new Map<string, number>();

  /** Those tables come first, whenever they are met. */
  constructor(tables: readonly string[] = []) {
    for (const table of tables) this.#number(table);
  }

  get size(): number {
    return this.ids.length;
  }

  /** The slot of an entity; a new one, if it was not met before. */
  slot(table: string, id: string): Slot {
    const number = this.#number(table);
    const slots = this.#slots[number]!;
    const known = slots.get(id);
    if (known !== undefined) return known;
    const slot = this.ids.push(id) - 1;
    if (slot >= this.tableOf.length) {
      const grown = new Uint16Array(2 * slot);
      grown.set(this.tableOf);
      this.tableOf = grown;
    }
    this.tableOf[slot] = number;
    slots.set(id, slot);
    return slot;
  }

  /** Whether any entity of the table with this number was met. */
  has(number: number): boolean {
    return this.#slots[number]!.size > 0;
  }

  find(key: Key): Slot | undefined {
    const { table, id } = splitKey(key);
    const number = this.#numbers.get(table);
    return number === undefined ? undefined : this.#slots[number]!.get(id);
  }

  table(slot: Slot): string {
    return this.tables[this.tableOf[slot]!]!;
  }

  key(slot: Slot): Key {
    return keyOf(this.table(slot), this.ids[slot]!);
  }

  #number(table: string): number {
    const known = this.#numbers.get(table);
    if (known !== undefined) return known;
    this.#slots.push(new Map());
    this.#numbers.set(table, this.#slots.length - 1);
    return this.tables.push(table) - 1;
  }
}
