import type { Instant } from '../instants';

export interface Bookmark {
  readonly id: string;
  readonly at: Instant;
  readonly title: string;
  readonly note: string;
  /** Smaller ones come first in the story. */
  readonly rank: number;
}

/** Where bookmarks are kept: in a session, or nowhere but here. */
export interface BookmarkStore {
  list(): Promise<readonly Bookmark[]>;
  add(bookmark: Omit<Bookmark, 'id' | 'rank'>): Promise<Bookmark>;
  remove(id: string): Promise<void>;
}

/** Bookmarks that last as long as the page. */
export class PassingBookmarks implements BookmarkStore {
  #kept: Bookmark[] = [];

  async list(): Promise<readonly Bookmark[]> {
    return this.#kept;
  }

  async add(bookmark: Omit<Bookmark, 'id' | 'rank'>): Promise<Bookmark> {
    const made = { ...bookmark, id: crypto.randomUUID(), rank: (this.#kept.at(-1)?.rank ?? 0) + 1 };
    this.#kept = [...this.#kept, made];
    return made;
  }

  async remove(id: string): Promise<void> {
    this.#kept = this.#kept.filter((kept) => kept.id !== id);
  }
}
