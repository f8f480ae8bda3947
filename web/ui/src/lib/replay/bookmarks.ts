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

/** Where bookmarks are kept: in a session, in this browser, or nowhere but here. */
export interface BookmarkStore {
  list(): Promise<readonly Bookmark[]>;
  add(bookmark: Said): Promise<Bookmark>;
  remove(id: string): Promise<void>;
  /** Keep these in this order instead of what is kept; a store without it is given them by adding and removing. */
  replace?(bookmarks: readonly Bookmark[]): Promise<void>;
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

  async replace(bookmarks: readonly Bookmark[]): Promise<void> {
    this.keep(bookmarks.map((bookmark, i) => ({ ...bookmark, rank: i + 1 })));
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
    typeof one.title === 'string' &&
    typeof one.note === 'string'
  );
}

/**
 * Keep bookmarks as they are wanted. A store that can only add at the end and remove is given anew what follows the
 * first difference; what was there is removed after that, so that nothing is lost if it fails on the way.
 */
export async function replaceIn(store: BookmarkStore, wanted: readonly Bookmark[]): Promise<void> {
  if (store.replace) return store.replace(wanted);
  const kept = await store.list();
  const same = wanted.findIndex((one, i) => !isSame(one, kept[i]));
  if (same < 0 && kept.length === wanted.length) return;
  const from = same < 0 ? wanted.length : same;
  for (const { at, title, note } of wanted.slice(from)) await store.add({ at, title, note });
  for (const { id } of kept.slice(from)) await store.remove(id);
}

function isSame(one: Bookmark, other: Bookmark | undefined): boolean {
  return one.id === other?.id && one.at === other.at && one.title === other.title && one.note === other.note;
}
