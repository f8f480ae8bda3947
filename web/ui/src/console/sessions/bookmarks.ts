import { parse, render, unwrap, type Bookmark, type BookmarkStore, type ReplayClient, type Schemas } from '../../lib';

/** Bookmarks that a session keeps: whoever opens it has them. */
export class SessionBookmarks implements BookmarkStore {
  constructor(
    private readonly client: ReplayClient,
    private readonly id: string,
  ) {}

  async list(): Promise<readonly Bookmark[]> {
    const { data } = await unwrap(this.client.api.GET('/session/{id}', { params: { path: { id: this.id } } }));
    return data.bookmarks.map(bookmarkOf).toSorted((a, b) => a.rank - b.rank);
  }

  async add({ at, title, note }: Omit<Bookmark, 'id' | 'rank'>): Promise<Bookmark> {
    const { data } = await unwrap(
      this.client.api.POST('/session/{id}/bookmarks', {
        params: { path: { id: this.id } },
        body: { timestamp: render(at), title, note },
      }),
    );
    return bookmarkOf(data);
  }

  async remove(id: string): Promise<void> {
    const path = { id: this.id, bookmark_id: id };
    await unwrap(this.client.api.DELETE('/session/{id}/bookmarks/{bookmark_id}', { params: { path } }));
  }
}

function bookmarkOf({ id, timestamp, title, note, rank }: Schemas['BookmarkView']): Bookmark {
  return { id, at: parse(timestamp), title, note, rank };
}
