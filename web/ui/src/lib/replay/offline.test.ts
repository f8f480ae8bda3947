import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import { MsrError } from '../client/errors';
import type { ReplayClient } from '../client/client';
import { MadeEngine } from '../components/testing';
import { render, SECOND } from '../instants';
import type { EnginePort } from '../worker/port';
import { Replay } from './replay.svelte';

const END = 1_000_000 * SECOND;

/** It counts how often it was told to stop. */
class CountingEngine extends MadeEngine {
  cancelled = 0;

  override cancel(): void {
    this.cancelled++;
  }
}

/** A replay whose server can be reached or not, and whose time goes on when it is told to. */
class Scene {
  reached = true;
  tables: { table_name: string; first_change_at: string }[] = [];
  readonly engine = new CountingEngine();
  readonly replay: Replay;
  #now = 0;
  #tick: () => void = () => undefined;

  constructor() {
    const reach = async <Answer>(answer: Answer): Promise<Answer> => {
      if (!this.reached) throw new TypeError('Failed to fetch');
      return answer;
    };
    const range = { earliest: 0, settledUntil: END, now: END, longestWindow: 1 };
    const client = {
      api: { GET: () => reach({ data: { data: this.tables }, response: new Response() }) },
      range: () => reach(range).catch((error: unknown) => Promise.reject(MsrError.of(error))),
    };
    this.replay = new Replay({
      client: client as unknown as ReplayClient,
      engine: this.engine as unknown as EnginePort,
      ticker: { now: () => this.#now, start: (tick) => ((this.#tick = tick), () => undefined) },
    });
  }

  pass(): void {
    flushSync();
    this.#now += 2_500;
    this.#tick();
  }
}

describe('a replay whose server cannot be reached', () => {
  let scene: Scene;
  beforeEach(() => {
    scene = new Scene();
    scene.tables = [{ table_name: 'sea.vessel', first_change_at: render(SECOND) }];
  });

  it('is offline as soon as it looks, without an error, and no longer once it is back', async () => {
    await scene.replay.open();
    scene.reached = false;
    scene.pass();
    await expect.poll(() => scene.replay.offline).toBe(true);
    expect([scene.replay.error, scene.replay.status]).toEqual([null, 'paused']);
    scene.reached = true;
    scene.pass();
    await expect.poll(() => scene.replay.offline).toBe(false);
  });

  it('opens by itself once it is back, with the tables', async () => {
    scene.reached = false;
    await scene.replay.open();
    expect([scene.replay.offline, scene.replay.status]).toEqual([true, 'error']);
    scene.reached = true;
    scene.pass();
    await expect.poll(() => scene.replay.status).toBe('paused');
    expect(scene.replay.range).toEqual({ start: SECOND, end: END });
    expect([scene.replay.tables.length, scene.replay.error, scene.replay.playhead]).toEqual([1, null, END]);
  });

  it('does not let the engine wait for its next attempt when it is back, or when that is asked for', async () => {
    await scene.replay.open();
    const error = new MsrError('NETWORK_ERROR', 'the server cannot be reached').toJSON();
    scene.engine.tell({ kind: 'failed', error, retryIn: 15_000 });
    expect([scene.replay.offline, scene.engine.cancelled]).toEqual([true, 0]);
    scene.pass();
    await expect.poll(() => scene.replay.offline).toBe(false);
    expect([scene.replay.error, scene.replay.retryIn, scene.engine.cancelled]).toEqual([null, null, 1]);
    scene.engine.tell({ kind: 'failed', error: { ...error, code: 'HTTP_503' }, retryIn: 15_000 });
    await scene.replay.retry();
    expect(scene.engine.cancelled).toBe(2);
  });

  it('says of a bookmark whether it is kept', async () => {
    await scene.replay.open();
    expect(await scene.replay.addBookmark('here')).toBe(true);
    const [made] = scene.replay.bookmarks;
    const broken = new Error('no');
    await scene.replay.useBookmarks({
      list: async () => [made!],
      add: () => Promise.reject(broken),
      change: () => Promise.reject(broken),
      remove: () => Promise.reject(broken),
    });
    expect(await scene.replay.addBookmark('there')).toBe(false);
    expect(await scene.replay.changeBookmark(made!.id, { title: 'x' })).toBe(false);
    expect(scene.replay.bookmarks).toEqual([made]);
  });
});
