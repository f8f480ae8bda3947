import { parse, render, unwrap } from '../../lib';
import type { Bookmark, BookmarkChange, BookmarkStore, ReplayClient, Said, Schemas } from '../../lib';
import type { Session } from './playback';

/** Bookmarks that a session keeps: whoever opens it has them. `onread` hears of the session whenever it is read. */
export class SessionBookmarks implements BookmarkStore {
  constructor(
    private readonly client: ReplayClient,
    private readonly id: string,
    private readonly onread: (session: Session) => void = () => undefined,
  ) {}

  async list(): Promise<readonly Bookmark[]> {
    const { data } = await unwrap(this.client.api.GET('/session/{id}', { params: { path: { id: this.id } } }));
    this.onread(data);
    return data.bookmarks.map(bookmarkOf).toSorted((a, b) => a.rank - b.rank);
  }

  async add({ at, title, note }: Said): Promise<Bookmark> {
    const { data } = await unwrap(
      this.client.api.POST('/session/{id}/bookmarks', {
        params: { path: { id: this.id } },
        body: { timestamp: render(at), title, note },
      }),
    );
    return bookmarkOf(data);
  }

  async change(id: string, { at, ...change }: BookmarkChange): Promise<void> {
    const path = { id: this.id, bookmark_id: id };
    const body = at === undefined ? change : { ...change, timestamp: render(at) };
    await unwrap(this.client.api.PATCH('/session/{id}/bookmarks/{bookmark_id}', { params: { path }, body }));
  }

  async remove(id: string): Promise<void> {
    const path = { id: this.id, bookmark_id: id };
    await unwrap(this.client.api.DELETE('/session/{id}/bookmarks/{bookmark_id}', { params: { path } }));
  }
}

function bookmarkOf({ id, timestamp, title, note, rank }: Schemas['BookmarkView']): Bookmark {
  return { id, at: parse(timestamp), title, note, rank };
}
