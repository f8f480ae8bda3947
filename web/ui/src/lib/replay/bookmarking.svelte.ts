import type { Direction } from '../fold/types';
import { changed, rankBetween, type Bookmark, type BookmarkChange, type BookmarkStore, type Said } from './bookmarks';

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

  async change(id: string, change: BookmarkChange): Promise<void> {
    await this.#changeAll([[id, change]]);
  }

  /** One place up or down. */
  async move(id: string, by: Direction): Promise<void> {
    const to = this.all.findIndex((one) => one.id === id) + by;
    const passed = this.all[to];
    if (!passed || !this.all[to - by]) return;
    const [before, after] = by < 0 ? [this.all[to - 1], passed] : [passed, this.all[to + 1]];
    const rank = rankBetween(before?.rank, after?.rank);
    if (rank !== null) return this.#changeAll([[id, { rank }]]);
    // Ranks that leave no room between them are given anew.
    const wanted = this.all
      .map((one) => one.id)
      .with(to, id)
      .with(to - by, passed.id);
    await this.#changeAll(wanted.map((one, i) => [one, { rank: i + 1 }] as const));
  }

  /** Seen at once, and as the store has it afterwards. */
  async #changeAll(changes: readonly (readonly [id: string, change: BookmarkChange])[]): Promise<void> {
    this.all = changes.reduce((all, [id, change]) => changed(all, id, change), this.all);
    try {
      for (const [id, change] of changes) await this.#store.change(id, change);
    } finally {
      await this.read();
    }
  }
}
