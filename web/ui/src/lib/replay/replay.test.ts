import { describe, expect, it } from 'vitest';
import { MadeEngine, madeReplay } from '../components/testing';
import { CLIP, CountingServer, givenReplay, newReplay, RANGE } from '../timebar/given';

const TABLES = [
  {
    table_name: 'sea.ship',
    columns: ['id', 'lon', 'lat', 'cargo'],
    wide: [],
    location: { kind: 'lonlat', columns: ['lon', 'lat'] },
    first_change_at: null,
  },
];

async function opened(): Promise<{ replay: ReturnType<typeof madeReplay>; configured: () => unknown[] }> {
  const engine = new MadeEngine();
  const replay = madeReplay(engine, (path) => ({ data: path === '/replay/tables' ? TABLES : [] }));
  Object.assign(replay.client, { range: () => Promise.reject(new TypeError('not asked')) });
  await replay.open();
  const configured = (): unknown[] =>
    engine.called
      .filter(([name]) => name === 'configure')
      .map(([, [content]]) => (content as { fields: unknown }).fields);
  return { replay, configured };
}

describe('a clip', () => {
  const clip = 'c1';

  it('is a world of its own: its tables and its range, from its beginning, and back', async () => {
    const server = new CountingServer();
    const replay = await givenReplay(server);
    replay.play();
    replay.setWindow({ start: RANGE.start, end: RANGE.end });
    await replay.setFilters({ clip });
    expect(replay.tables.map((one) => one.table_name)).toEqual(['sea.clipped']);
    expect([replay.range, replay.playhead, replay.serverNow]).toEqual([CLIP, CLIP.start, CLIP.end]);
    expect([replay.playing, replay.window]).toEqual([false, null]);
    await replay.setFilters({});
    expect(replay.tables.map((one) => one.table_name)).toEqual(['sea.vessel']);
    expect([replay.range, replay.playhead]).toEqual([RANGE, RANGE.start]);
    expect(server.of('/replay/tables').map(({ source }) => source)).toEqual([undefined, 'clip:c1', undefined]);
    replay.close();
  });

  it('is what the replay begins with, if that is asked for', async () => {
    const server = new CountingServer();
    const replay = await givenReplay(server, { clip });
    expect([replay.range, replay.playhead]).toEqual([CLIP, CLIP.end]);
    replay.close();
  });

  it('that comes late is not entered any more, and one that is gone leaves all as it was', async () => {
    const server = new CountingServer();
    const replay = await givenReplay(server);
    const late = server.hold();
    const entering = replay.setFilters({ clip });
    await replay.setFilters({ tables: ['sea.vessel'] });
    late();
    await entering;
    expect([replay.filters, replay.range]).toEqual([{ tables: ['sea.vessel'] }, RANGE]);
    server.failure = { status: 404, body: { errorCode: 'NOT_FOUND', errorMessage: 'there is no such clip' } };
    await replay.setFilters({ clip: 'gone' });
    expect([replay.error?.message, replay.range]).toEqual(['there is no such clip', RANGE]);
    expect(replay.filters.clip).toBeUndefined();
    replay.close();
  });
});

describe('what is asked for while it opens', () => {
  it('to follow what is recorded is not forgotten for the moment that it opens at', async () => {
    const replay = newReplay();
    const opening = replay.open(RANGE.start);
    replay.follow();
    await opening;
    expect([replay.following, replay.playhead]).toEqual([true, RANGE.end]);
    replay.close();
  });
});

describe('what of the states is fetched', () => {
  it('is what the map draws, and more as soon as it is shown', async () => {
    const { replay, configured } = await opened();
    expect(configured()).toEqual([['lat', 'lon']]);
    await replay.setColouring({ by: 'column', column: 'cargo' });
    expect(configured()).toEqual([
      ['lat', 'lon'],
      ['cargo', 'lat', 'lon'],
    ]);
    await replay.setColouring({ by: 'table' });
    expect(configured()).toHaveLength(2);
  });

  it('is everything while a part needs that', async () => {
    const { replay, configured } = await opened();
    const hide = replay.showFields(() => null);
    await replay.setFilters({ tables: ['sea.ship'] });
    hide();
    await replay.setFilters({});
    expect(configured()).toEqual([['lat', 'lon'], null, ['lat', 'lon']]);
  });
});
