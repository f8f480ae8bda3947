import { describe, expect, it } from 'vitest';
import type { DiffRow } from '../client/rows';
import { createReplay, type Schemas } from '../client/client';
import { MadeEngine, madeReplay } from '../components/testing';
import { parse, render } from '../instants';
import { Comparing } from './comparing.svelte';
import { latOf, lonOf } from '../fold/mercator';
import { ghostsOf } from '../map/ghosts';
import { countsOf, KINDS, narrowed, ofComparison, ofRow, type Difference } from './differences';
import { readTyped, typed } from './moments';

const ROWS: DiffRow[] = [
  row('1', 'created', { entity_state: { name: 'Aurora', lon: 103, lat: 1 } }),
  row('2', 'changed', {
    changed: { speed: { before: 3, after: 5 }, gone: { before: 1 } },
    unavailable_fields: ['doc'],
  }),
  row('3', 'deleted', { entity_state: { name: 'Borealis', lon: 104, lat: 2 } }),
];
const RULE = { position: { kind: 'pair', lon: 'lon', lat: 'lat' }, heading: null, label: 'name' } as const;

const VESSELS = {
  table_name: 'sea.vessel',
  columns: ['id', 'name', 'lon', 'lat', 'course', 'speed', 'cargo'],
  wide: [],
  location: { kind: 'lonlat', columns: ['lon', 'lat'] },
} as unknown as Schemas['SeenTableView'];

function row(id: string, change: DiffRow['change'], more: Partial<DiffRow>): DiffRow {
  return { table_name: 'sea.vessel', entity_id: id, event_timestamp: '2026-01-01T00:00:00Z', change, ...more };
}

function ids(found: readonly Difference[]): string[] {
  return found.map((one) => one.id);
}

describe('differences', () => {
  const all = ROWS.map((one) => ofRow(one));

  it('are counted and narrowed by kind, table and text', () => {
    expect(countsOf(all)).toEqual({ created: 1, changed: 1, deleted: 1 });
    const wanted = { kinds: KINDS, table: null, text: '' };
    expect(ids(narrowed(all, wanted))).toEqual(['1', '2', '3']);
    expect(ids(narrowed(all, { ...wanted, kinds: ['deleted'] }))).toEqual(['3']);
    expect(ids(narrowed(all, { ...wanted, text: 'SPEED' }))).toEqual(['2']);
    expect(ids(narrowed(all, { ...wanted, text: 'aurora' }))).toEqual(['1']);
    expect(ids(narrowed(all, { ...wanted, table: 'sea.port' }))).toEqual([]);
  });

  it('say field by field what was and is', () => {
    expect(all[1]!.fields).toEqual([
      { field: 'speed', before: 3, after: 5 },
      { field: 'gone', before: 1, after: undefined },
    ]);
    expect(all[1]!.unknown).toEqual(['doc']);
  });

  it('are on the map where their position is known', () => {
    expect(ghostsOf(all, { 'sea.vessel': RULE }).map(({ kind, x, y }) => [kind, lonOf(x), latOf(y)])).toEqual([
      ['created', expect.closeTo(103), expect.closeTo(1)],
      ['deleted', expect.closeTo(104), expect.closeTo(2)],
    ]);
    expect(ghostsOf(all, {})).toEqual([]);
  });

  it('that changed are on the map where they stand, with the way that they came if they moved', () => {
    const there = { lon: 103, lat: 1, name: 'Aurora' };
    const stood = row('4', 'changed', { entity_state: there, changed: { speed: { before: 3, after: 5 } } });
    const moved = row('5', 'changed', { entity_state: there, changed: { lon: { before: 102, after: 103 } } });
    const [standing, moving] = ghostsOf([ofRow(stood, true), ofRow(moved, true)], { 'sea.vessel': RULE });
    expect([standing!.kind, lonOf(standing!.x), standing!.label, standing!.from]).toEqual([
      'changed',
      expect.closeTo(103),
      'Aurora',
      null,
    ]);
    expect([lonOf(moving!.x), lonOf(moving!.from!.x)]).toEqual([expect.closeTo(103), expect.closeTo(102)]);
  });

  it('are the same from the buffer', () => {
    const own = { key: 'sea.vessel:2', table: 'sea.vessel', id: '2' };
    const changed = [{ ...own, before: { speed: 3, name: 'a' }, after: { speed: 5, name: 'a' }, fields: ['speed'] }];
    expect(ofComparison({ a: 1, b: 2, created: [], deleted: [], changed })[0]!.fields).toEqual([
      { field: 'speed', before: 3, after: 5 },
    ]);
  });
});

describe('comparing', () => {
  const engine = (): MadeEngine =>
    new MadeEngine({ rules: () => ({}), compare: (a, b) => ({ a, b, created: [], changed: [], deleted: [] }) });

  it('asks the buffer if it has both instants, the earlier one first', async () => {
    const made = engine();
    const replay = madeReplay(made);
    replay.buffered = [{ start: 0, end: 100 }];
    const comparing = new Comparing(replay);
    await comparing.compare(90, 10);
    expect(made.called[0]).toEqual(['compare', [10, 90]]);
    expect(comparing.differences).toEqual([]);
    expect(replay.comparing).toEqual({ a: 10, b: 90 });
  });

  it('asks the server otherwise, and says what it has refused', async () => {
    const asked: URL[] = [];
    let answer = new Response(
      [...ROWS, { count: 3, incomplete: ['sea.port'] }].map((one) => JSON.stringify(one)).join('\n'),
    );
    const client = createReplay({
      baseUrl: 'http://msr.test',
      fetch: async (request) => {
        asked.push(new URL((request as Request).url));
        return answer;
      },
    });
    const replay = Object.assign(madeReplay(engine()), { client, tables: [VESSELS] });
    const comparing = new Comparing(replay);
    const [a, b] = [parse('2026-01-01T00:00:00Z'), parse('2026-01-01T01:00:00Z')];
    await comparing.compare(a, b);
    expect(asked[0]!.pathname).toBe('/replay/diff');
    expect(Object.fromEntries(asked[0]!.searchParams)).toEqual({
      from: render(a),
      to: render(b),
      fields: 'course,lat,lon,name',
    });
    expect(ids(comparing.differences ?? [])).toEqual(['1', '2', '3']);
    expect(comparing.incomplete).toEqual(['sea.port']);
    answer = new Response(JSON.stringify({ errorCode: 'WINDOW', errorMessage: 'the window is too long' }), {
      status: 400,
    });
    await comparing.compare(a, b);
    expect(comparing.error?.message).toBe('the window is too long');
    expect(comparing.loading).toBe(false);
  });

  it('asks for every field of an entity that is opened, as it is or was', async () => {
    const asked: URLSearchParams[] = [];
    const client = createReplay({
      baseUrl: 'http://msr.test',
      fetch: async (request) => {
        const url = new URL((request as Request).url);
        const state = url.pathname === '/replay/state';
        if (state) asked.push(url.searchParams);
        const vessel = { ...ROWS[0], op: 'c', entity_state: { name: 'Aurora', lon: 103, lat: 1, cargo: 'tea' } };
        const rows = state ? [vessel, { count: 1, incomplete: [] }] : [...ROWS, { count: 3, incomplete: [] }];
        return new Response(rows.map((one) => JSON.stringify(one)).join('\n'));
      },
    });
    const comparing = new Comparing(Object.assign(madeReplay(engine()), { client, tables: [VESSELS] }));
    const [a, b] = [parse('2026-01-01T00:00:00Z'), parse('2026-01-01T01:00:00Z')];
    await comparing.compare(a, b);
    const [created, , deleted] = comparing.differences ?? [];
    expect(created!.partial).toBe(true);
    expect(await comparing.whole(created!)).toHaveProperty('cargo', 'tea');
    await comparing.whole(deleted!);
    expect(asked.map((query) => [query.get('timestamp'), query.get('entity'), query.get('fields')])).toEqual([
      [render(b), 'sea.vessel:1', null],
      [render(a), 'sea.vessel:3', null],
    ]);
  });
});

describe('a typed moment', () => {
  it.each([
    ['2026-01-31', '2026-01-31T00:00:00Z'],
    ['2026-01-31 12:30', '2026-01-31T12:30:00Z'],
    ['2026-01-31 12:30:01.5', '2026-01-31T12:30:01.5Z'],
    [' 2026-01-31T12:30:01Z ', '2026-01-31T12:30:01Z'],
    ['2026-01-31 20:30 +08:00', '2026-01-31T12:30:00Z'],
  ])('is read: %s', (text, meant) => expect(readTyped(text)).toBe(parse(meant)));

  it.each(['', 'yesterday', '2026-13-01', '2026-01-31 25:00'])('is not guessed: %s', (text) =>
    expect(readTyped(text)).toBeUndefined(),
  );

  it.each(['2026-01-31T12:30:00Z', '2026-01-31T12:30:10.25Z', '2026-01-30T00:00:00Z', '2026-01-30T00:00:01.000001Z'])(
    'is written so that it is read again: %s',
    (text) => expect(readTyped(typed(parse(text)))).toBe(parse(text)),
  );
});
