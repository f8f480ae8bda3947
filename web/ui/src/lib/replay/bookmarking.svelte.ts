import type { Direction } from '../fold/types';
import { replaceIn, type Bookmark, type BookmarkStore, type Said } from './bookmarks';

/** The bookmarks of a replay, as their store has them. */
export class Bookmarking {
  all = $state.raw<readonly Bookmark[]>([]);
  #store: BookmarkStore;

  constructor(store: BookmarkStore) {
    this.#store = store;
  }

  async read(): Promise<void> {
    this.all = await this.#store.list();
  }

  /** Keep them elsewhere from now on. */
  async use(store: BookmarkStore): Promise<void> {
    this.#store = store;
    await this.read();
  }

  async add(said: Said): Promise<void> {
    await this.#store.add(said);
    await this.read();
  }

  async remove(id: string): Promise<void> {
    await this.#store.remove(id);
    await this.read();
  }

  async change(id: string, change: Partial<Said>): Promise<void> {
    await this.#replace(this.all.map((one) => (one.id === id ? { ...one, ...change } : one)));
  }

  async move(id: string, by: Direction): Promise<void> {
    const from = this.all.findIndex((one) => one.id === id);
    const [one, other] = [this.all[from], this.all[from + by]];
    if (one && other) await this.#replace(this.all.with(from, other).with(from + by, one));
  }

  async #replace(wanted: readonly Bookmark[]): Promise<void> {
    this.all = wanted;
    try {
      await replaceIn(this.#store, wanted);
    } finally {
      await this.read();
    }
  }
}
