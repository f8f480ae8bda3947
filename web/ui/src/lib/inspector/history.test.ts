import { describe, expect, it } from 'vitest';
import { createReplay } from '../client/client';
import { keyOf } from '../fold/types';
import { SECOND, type Instant, type Interval } from '../instants';
import { EntityHistory, historyOf, PAGE, windowAround, type AskHistory, type Happening } from './history.svelte';

const RANGE: Interval = { start: 0, end: 10_000 * SECOND };

/** A server with a change each second from 1 on; it counts what it is asked. */
function server(number: number): { ask: AskHistory; asked: [Interval, number][] } {
  const asked: [Interval, number][] = [];
  const all: Happening[] = Array.from({ length: number }, (_, i) => ({ at: (i + 1) * SECOND, op: 'u', changed: [] }));
  const ask: AskHistory = async (_, window, page) => {
    asked.push([window, page]);
    const found = all.filter(({ at }) => at > window.start && at <= window.end);
    return { found: found.slice((page - 1) * PAGE, page * PAGE), total: found.length };
  };
  return { ask, asked };
}

const seconds = (history: EntityHistory): number[] => history.entries.map(({ at }) => at / SECOND);
const down = (from: number, to: number): number[] => Array.from({ length: from - to + 1 }, (_, i) => from - i);

describe('the history of an entity', () => {
  it('is read around the playhead, newest first, and further on either side', async () => {
    const { ask } = server(1_000);
    const history = new EntityHistory(ask);
    await history.open('a.b:1', 510 * SECOND, RANGE);
    expect(seconds(history)).toEqual(down(560, 451));
    expect([history.older, history.newer]).toEqual([450, 440]);
    await history.readOlder();
    await history.readNewer();
    expect(seconds(history)).toEqual(down(610, 401));
    expect([history.older, history.newer]).toEqual([400, 390]);
  });

  it.each([0, 1, 49, 50, 51, 75, 99, 100, 101, 499])('has all of it in the end, from any playhead (%i)', async (at) => {
    const history = new EntityHistory(server(499).ask);
    await history.open('a.b:1', at * SECOND, RANGE);
    while (history.older) await history.readOlder();
    while (history.newer) await history.readNewer();
    expect(seconds(history)).toEqual(down(499, 1));
  });

  it('knows for which instants it must be read anew', async () => {
    const history = new EntityHistory(server(1_000).ask);
    expect(history.covers(0)).toBe(false);
    await history.open('a.b:1', 510 * SECOND, RANGE);
    const covered = (at: Instant): boolean => history.covers(at * SECOND);
    expect([451, 560, 450, 561, 10_001].map(covered)).toEqual([true, true, false, false, false]);
  });

  it('is of the entity that was asked for last', async () => {
    const answers: (() => void)[] = [];
    const { ask } = server(3);
    const slow: AskHistory = async (key, window, page) => {
      if (key === 'a.b:slow') await new Promise<void>((resolve) => answers.push(resolve));
      return ask(key, window, page);
    };
    const history = new EntityHistory(slow);
    const first = history.open('a.b:slow', 0, RANGE);
    await history.open('a.b:fast', 2 * SECOND, RANGE);
    answers.forEach((answer) => answer());
    await first;
    expect(history.key).toBe('a.b:fast');
    expect(history.loading).toBe(false);
    expect(seconds(history)).toEqual([3, 2, 1]);
  });

  it('is asked for by any id, which is text and no part of an address', async () => {
    const asked: URL[] = [];
    const client = createReplay({
      baseUrl: 'http://msr.test/msr/api',
      fetch: async (request) => {
        asked.push(new URL((request as Request).url));
        return Response.json({ data: [], page: { total_records: 0 } });
      },
    });
    const ids = ['a/b', '50%', '%2F', 'who?', '#1', 'a b', 'Ærø 北', 'a:b', '{entity}', '$&'];
    for (const id of ids)
      await historyOf(client, () => undefined)(keyOf('sea.vessel', id), { start: 0, end: SECOND }, 1);
    expect(asked.map(({ pathname }) => pathname.split('/').slice(3).map(decodeURIComponent))).toEqual(
      ids.map((id) => ['replay', 'entity', 'sea.vessel', id]),
    );
    expect(asked.every(({ searchParams, hash }) => searchParams.has('start') && hash === '')).toBe(true);
  });

  it('says why it could not be read', async () => {
    const history = new EntityHistory(() => Promise.reject(new TypeError('no')));
    await history.open('a.b:1', 0, RANGE);
    expect(history.error?.code).toBe('NETWORK_ERROR');
  });
});

describe('the window around an instant', () => {
  it('is as long as may be, within the range', () => {
    expect(windowAround(50, { start: 0, end: 100 }, 1_000)).toEqual({ start: 0, end: 100 });
    expect(windowAround(500, { start: 0, end: 1_000 }, 100)).toEqual({ start: 450, end: 550 });
    expect(windowAround(990, { start: 0, end: 1_000 }, 100)).toEqual({ start: 900, end: 1_000 });
    expect(windowAround(10, { start: 0, end: 1_000 }, 100)).toEqual({ start: 0, end: 100 });
  });
});
