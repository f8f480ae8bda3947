import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MadeEngine, madeReplay, RANGE } from '../components/testing';
import { SECOND } from '../instants';
import {
  BrowserBookmarks,
  changed,
  PassingBookmarks,
  type Bookmark,
  type BookmarkChange,
  type BookmarkStore,
  type Said,
} from '../replay/bookmarks';
import type { Replay } from '../replay/replay.svelte';
import { StoryPlayer } from './player.svelte';

const at = (second: number): number => RANGE.start + second * SECOND;

/** A store in which all bookmarks have begun with the same rank, so that there is no room between them. */
class Tied implements BookmarkStore {
  kept: Bookmark[] = [];
  #number = 0;

  async list(): Promise<readonly Bookmark[]> {
    return [...this.kept];
  }

  async add(said: Said): Promise<Bookmark> {
    const made = { ...said, id: String(++this.#number), rank: 1 };
    this.kept.push(made);
    return made;
  }

  async change(id: string, change: BookmarkChange): Promise<void> {
    this.kept = [...changed(this.kept, id, change)];
  }

  async remove(id: string): Promise<void> {
    this.kept = this.kept.filter((one) => one.id !== id);
  }
}

async function withThree(store: BookmarkStore): Promise<Replay> {
  const replay = madeReplay(new MadeEngine(), undefined, store);
  await replay.addBookmark('one', 'first', at(10));
  await replay.addBookmark('two', '', at(50));
  await replay.addBookmark('three', '', at(30));
  return replay;
}

const titles = (replay: Replay): string[] => replay.bookmarks.map(({ title }) => title);

describe.each([
  ['that keeps what it is given', () => new PassingBookmarks()],
  ['whose ranks leave no room', () => new Tied()],
])('bookmarks in a store %s', (_, make) => {
  it('are put in order and changed, and stay the same bookmarks', async () => {
    const store = make();
    const replay = await withThree(store);
    const ids = new Map(replay.bookmarks.map(({ at: moment, id }) => [moment, id]));
    await replay.moveBookmark(replay.bookmarks[2]!.id, -1);
    expect(titles(replay)).toEqual(['one', 'three', 'two']);
    for (let turn = 0; turn < 2; turn++) {
      await replay.moveBookmark(replay.bookmarks[0]!.id, 1);
      expect(titles(replay)).toEqual(['three', 'one', 'two']);
      await replay.moveBookmark(replay.bookmarks[1]!.id, -1);
    }
    await replay.moveBookmark(replay.bookmarks[0]!.id, -1);
    expect(titles(replay)).toEqual(['one', 'three', 'two']);
    await replay.changeBookmark(replay.bookmarks[1]!.id, { title: 'third', note: 'why' });
    expect(titles(replay)).toEqual(['one', 'third', 'two']);
    const kept = (await store.list()).map(({ at: moment, title, note }) => [moment, title, note]);
    expect(kept).toEqual([
      [at(10), 'one', 'first'],
      [at(30), 'third', 'why'],
      [at(50), 'two', ''],
    ]);
    expect(new Map(replay.bookmarks.map(({ at: moment, id }) => [moment, id]))).toEqual(ids);
  });
});

describe('bookmarks in the browser', () => {
  it('are there again the next time, and what is not one is passed over', async () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (name: string) => kept.get(name) ?? null, setItem: kept.set.bind(kept) };
    await new BrowserBookmarks('mine', storage).add({ at: 5, title: 'one', note: '' });
    expect((await new BrowserBookmarks('mine', storage).list()).map(({ title }) => title)).toEqual(['one']);
    kept.set('mine', '[{"id": 1}, null]');
    expect(await new BrowserBookmarks('mine', storage).list()).toEqual([]);
    kept.set('mine', '{');
    expect(await new BrowserBookmarks('mine', storage).list()).toEqual([]);
  });
});

describe('a story', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('goes from each bookmark to the next, in their order, and ends', async () => {
    const replay = await withThree(new PassingBookmarks());
    const player = new StoryPlayer(replay);
    player.seconds = 5;
    player.start();
    const seen = [replay.playhead];
    for (let i = 0; i < 2; i++) {
      await vi.advanceTimersByTimeAsync(5_200);
      seen.push(replay.playhead);
    }
    expect(seen).toEqual([at(10), at(50), at(30)]);
    await vi.advanceTimersByTimeAsync(5_200);
    expect(player.telling).toBe(false);
  });

  it('plays at each of them if it shall, and stops when it is told to', async () => {
    const replay = await withThree(new PassingBookmarks());
    const player = new StoryPlayer(replay);
    player.manner = 'playing';
    player.start(replay.bookmarks[1]!.id);
    expect(replay.playing).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(replay.playing).toBe(true);
    player.stop();
    expect(replay.playing).toBe(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(replay.playhead).toBe(at(50));
  });
});
