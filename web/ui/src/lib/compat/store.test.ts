import { flushSync } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configureMsrErrorHandling } from './errors';
import { ReplayStore } from './store.svelte';
import { event, HandTicker, refusal, SmallWorld, START } from './world.testing';

let world: SmallWorld;
let ticker: HandTicker;
let store: ReplayStore;
beforeEach(() => {
  configureMsrErrorHandling({ defaultOptions: { logError: false } });
  world = new SmallWorld([
    event(1, 'a', 'c', { n: 1, geojson: '{"type":"Point","coordinates":[103.8,1.3]}' }),
    event(2, 'v', 'c', { n: 1 }, 'sea.vessel'),
    event(30, 'a', 'u', { n: 2 }),
    event(50, 'v', 'd', { n: 1 }, 'sea.vessel'),
  ]);
  ticker = new HandTicker();
  store = new ReplayStore(() => world.makeReplay(ticker));
});
afterEach(() => {
  store.reset();
  configureMsrErrorHandling();
});

const at = (second: number): Date => new Date(START / 1000 + second * 1000);

async function initiate(second = 10): Promise<void> {
  store.setPlaybackRange(at(second), at(60));
  await store.initiateReplay(at(second), { frameRate: 1000 });
  await until(() => store.entities.size > 0);
}

/** Once it is so; effects run meanwhile. */
function until(condition: () => boolean): Promise<void> {
  return vi.waitFor(() => {
    flushSync();
    expect(condition()).toBe(true);
  });
}

/** Let seconds pass in small steps, as pictures do. */
async function pass(seconds: number): Promise<void> {
  for (let step = 0; step < seconds * 5; step++) {
    ticker.pass(200);
    await new Promise((resolve) => setTimeout(resolve));
    flushSync();
  }
}

describe('replayStore', () => {
  it('holds every entity of the moment under table and id', async () => {
    await initiate();
    expect(store.status).toBe('paused');
    expect(store.entities).toBeInstanceOf(SvelteMap);
    expect([...store.entities.keys()].sort()).toEqual(['air.flight:a', 'sea.vessel:v']);
    const flight = store.getEntity('air.flight', 'a')!;
    expect(flight).toMatchObject({ id: 'a', tableName: 'air.flight', state: { n: 1 } });
    expect(JSON.parse(flight.state['geojson'] as string)).toMatchObject({ coordinates: [103.8, 1.3] });
    expect(store.getAvailableTables()).toEqual(['air.flight', 'sea.vessel']);
    expect([...store.getTableEntitiesMap('sea.vessel').keys()]).toEqual(['v']);
    expect([store.playbackTime, store.replayStartTime, store.replayEndTime]).toEqual([at(10), at(10), at(60)]);
  });

  it('follows a jump: changes are there, what was deleted is gone, what stayed is the same object', async () => {
    await initiate();
    const vessel = store.getEntity('sea.vessel', 'v');
    store.jumpToTimestamp(at(40));
    await until(() => store.getEntity('air.flight', 'a')?.state['n'] === 2);
    expect(store.getEntity('sea.vessel', 'v')).toBe(vessel);
    store.jumpToTimestamp(at(55));
    await until(() => !store.entities.has('sea.vessel:v'));
    store.jumpToTimestamp(at(5000));
    expect(store.playbackTime).toEqual(at(60));
  });

  it('plays, pauses, runs faster, ends at the end and begins anew', async () => {
    await initiate();
    store.play();
    expect(store.status).toBe('playing');
    await pass(2);
    store.pause();
    expect(store.status).toBe('paused');
    const there = store.playbackTime!.getTime();
    expect(there).toBeGreaterThan(at(10).getTime());
    store.setSpeed(60);
    expect(store.speed).toBe(60);
    store.play();
    await vi.waitFor(async () => {
      await pass(1);
      expect(store.status).toBe('ended');
    });
    expect(store.playbackTime).toEqual(at(60));
    store.restart();
    expect([store.status, store.playbackTime]).toEqual(['paused', at(10)]);
    store.reset();
    expect([store.status, store.entities.size, store.playbackTime]).toEqual(['idle', 0, null]);
  });

  it('leaves old rows of some tables out, as its two configurations say', async () => {
    store.stateFilterConfig = { tables: ['sea.vessel'], getMinTimestamp: ({ replayStartTime }) => replayStartTime };
    store.playbackFilterConfig = { tables: ['air.flight', 'x.y'], getMinTimestamp: () => '2026-11-25T10:00:20+00:00' };
    await initiate();
    const state = world.last('/replay/state').query;
    expect(state.get('filter_tables')).toBe('sea.vessel');
    expect(state.get('filter_min_timestamp')).toBe('2026-11-25T10:00:10.000000Z');
    const events = world.last('/replay/events').query;
    expect(events.get('filter_tables')).toBe('air.flight,x.y');
    expect(events.get('filter_min_timestamp')).toBe('2026-11-25T10:00:20.000000Z');
  });

  it('sends the session along, so that it counts as seen', async () => {
    store.sessionId = 's1';
    await initiate();
    expect(world.last('/replay/state').session).toBe('s1');
  });

  it('says why it failed in the words of the server', async () => {
    world.refusals.set('GET /replay/state', refusal(400, 'TIMESTAMP_OUT_OF_RANGE', 'too early'));
    store.setPlaybackRange(at(10), at(60));
    await store.initiateReplay(at(10));
    await until(() => store.status === 'error');
    expect(store.errorMessage).toBe('too early');
  });

  it('knows that its session was terminated', async () => {
    world.refusals.set('GET /replay/state', refusal(409, 'SESSION_TERMINATED', 'an administrator ended it'));
    await store.initiateReplay(at(10));
    await until(() => store.status === 'terminated');
  });
});
