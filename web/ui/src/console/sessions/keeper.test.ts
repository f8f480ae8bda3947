import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReplayClient } from '../../lib';
import { MadeEngine, madeReplay } from '../../lib/components/testing';
import { PassingBookmarks } from '../../lib/replay/bookmarks';
import { SessionBookmarks } from './bookmarks';
import { SessionKeeper } from './keeper.svelte';
import type { Session } from './playback';

const SESSION = {
  id: 's1',
  occ_lock: 1,
  playback: { status: 'paused', playhead: null, speed: 1, window: null, filters: null },
} as unknown as Session;

interface Sent {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** A server that can be reached or not, and what it was sent. */
class Server {
  reached = true;
  lock = 1;
  readonly sent: Sent[] = [];
  readonly client = {
    api: {
      GET: async () => ({
        data: { data: { ...SESSION, occ_lock: this.lock, bookmarks: [] } },
        response: new Response(),
      }),
      PATCH: async (path: string, { body }: Sent) => {
        if (!this.reached) throw new TypeError('Failed to fetch');
        this.sent.push({ path, body });
        return { data: { data: SESSION }, response: new Response() };
      },
    },
  } as unknown as ReplayClient;
}

describe('a session that keeps a replay', () => {
  const server = (): Server => new Server();
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('saves what could not be saved as soon as that is possible, without anybody doing anything', async () => {
    const there = server();
    const replay = madeReplay(new MadeEngine());
    replay.seek(replay.range!.start);
    const keeper = new SessionKeeper(replay, new PassingBookmarks(), there.client);
    await keeper.use(SESSION);
    there.reached = false;
    replay.setSpeed(4);
    keeper.changed();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([keeper.error?.code, there.sent]).toEqual(['NETWORK_ERROR', []]);
    there.reached = true;
    await vi.advanceTimersByTimeAsync(4_000);
    expect(keeper.error).toBe(null);
    expect(there.sent.map((one) => one.body)).toMatchObject([{ speed: 4 }]);
  });

  it('knows that its bookmarks have raised the lock, so that what is saved next is not refused', async () => {
    const there = server();
    const replay = madeReplay(new MadeEngine());
    replay.seek(replay.range!.start);
    const keeper = new SessionKeeper(replay, new PassingBookmarks(), there.client);
    await keeper.use(SESSION);
    there.lock = 3; // a bookmark was added, and one changed
    await replay.changeBookmark('b1', { rank: 2 });
    replay.setSpeed(4);
    await keeper.save();
    expect(there.sent.at(-1)!.body).toMatchObject({ speed: 4, occ_lock: 3 });
  });

  it('gives bookmarks back to where they were kept before when it is left', async () => {
    const before = new PassingBookmarks();
    const replay = madeReplay(new MadeEngine(), undefined, before);
    await replay.addBookmark('mine');
    const keeper = new SessionKeeper(replay, before, server().client);
    await keeper.use(SESSION);
    expect(replay.bookmarks).toEqual([]);
    await keeper.leave();
    expect(replay.bookmarks.map((one) => one.title)).toEqual(['mine']);
  });

  it('tells the server what of a bookmark has changed, and nothing else', async () => {
    const there = server();
    const bookmarks = new SessionBookmarks(there.client, 's1');
    await bookmarks.change('b1', { rank: 1.5 });
    await bookmarks.change('b1', { at: 1_000_000, note: '' });
    expect(there.sent.map((one) => one.body)).toEqual([
      { rank: 1.5 },
      { timestamp: '1970-01-01T00:00:01.000000Z', note: '' },
    ]);
    expect(there.sent[0]!.path).toBe('/session/{id}/bookmarks/{bookmark_id}');
  });
});
