import type { Instant } from '../instants';

export interface Bookmark {
  readonly id: string;
  readonly at: Instant;
  readonly title: string;
  readonly note: string;
  /** Smaller ones come first in the story. */
  readonly rank: number;
}

/** What a bookmark says. */
export type Said = Omit<Bookmark, 'id' | 'rank'>;

/** What may be changed of a bookmark: what it says, and its place in the story. */
export type BookmarkChange = Partial<Omit<Bookmark, 'id'>>;

/** Where bookmarks are kept: in a session, in this browser, or nowhere but here. */
export interface BookmarkStore {
  /** In the order of the story. */
  list(): Promise<readonly Bookmark[]>;
  /** Keep one more, behind the others. */
  add(bookmark: Said): Promise<Bookmark>;
  change(id: string, change: BookmarkChange): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Bookmarks that last as long as the page. */
export class PassingBookmarks implements BookmarkStore {
  protected kept: readonly Bookmark[] = [];

  async list(): Promise<readonly Bookmark[]> {
    return this.kept;
  }

  async add(bookmark: Said): Promise<Bookmark> {
    const made = { ...bookmark, id: crypto.randomUUID(), rank: (this.kept.at(-1)?.rank ?? 0) + 1 };
    this.keep([...this.kept, made]);
    return made;
  }

  async remove(id: string): Promise<void> {
    this.keep(this.kept.filter((kept) => kept.id !== id));
  }

  async change(id: string, change: BookmarkChange): Promise<void> {
    this.keep(changed(this.kept, id, change));
  }

  protected keep(bookmarks: readonly Bookmark[]): void {
    this.kept = bookmarks;
  }
}

/** Bookmarks that this browser keeps, under a name of their own. */
export class BrowserBookmarks extends PassingBookmarks {
  constructor(
    private readonly name: string,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'> = localStorage,
  ) {
    super();
    this.kept = read(storage.getItem(name));
  }

  protected override keep(bookmarks: readonly Bookmark[]): void {
    super.keep(bookmarks);
    this.storage.setItem(this.name, JSON.stringify(bookmarks));
  }
}

function read(text: string | null): readonly Bookmark[] {
  try {
    const found: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(found) ? found.filter(isBookmark) : [];
  } catch {
    return [];
  }
}

function isBookmark(value: unknown): value is Bookmark {
  const one = value as Partial<Bookmark> | null;
  return (
    typeof one?.id === 'string' &&
    Number.isFinite(one.at) &&
    Number.isFinite(one.rank) &&
    typeof one.title === 'string' &&
    typeof one.note === 'string'
  );
}

/** Bookmarks in their order after one of them was changed. */
export function changed(bookmarks: readonly Bookmark[], id: string, change: BookmarkChange): readonly Bookmark[] {
  return bookmarks.map((one) => (one.id === id ? { ...one, ...change } : one)).toSorted((a, b) => a.rank - b.rank);
}

/** A rank between two others, or beyond the only one there is; null: there is no number between them. */
export function rankBetween(before: number | undefined, after: number | undefined): number | null {
  const rank = before === undefined ? (after ?? 1) - 1 : after === undefined ? before + 1 : (before + after) / 2;
  return (before === undefined || rank > before) && (after === undefined || rank < after) ? rank : null;
}
