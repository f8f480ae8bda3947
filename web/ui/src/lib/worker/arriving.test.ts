import { describe, expect, it } from 'vitest';
import type { ReplayClient, RowStream } from '../client/client';
import type { Row } from '../client/rows';
import type { Need } from '../fold/buffer';
import { World } from '../fold/world';
import { SECOND } from '../instants';
import { arrive } from './arriving';
import { Beyond } from './beyond';
import { Counted } from './gathering';

const WINDOW = { start: 1_795_600_000 * SECOND, end: 1_795_600_060 * SECOND };
const NEED: Need = { kind: 'open', window: WINDOW };

function row(id: number, second: string): Row {
  const at = `2026-11-25T09:${second}Z`;
  return { entity_id: String(id), entity_state: { id }, op: 'u', event_timestamp: at, table_name: 'sea.vessel' };
}

/** An answer that comes in pieces, and ends well or badly. */
async function* answer(pieces: readonly Row[][], trouble?: Error): RowStream {
  for (const piece of pieces) {
    await Promise.resolve();
    yield piece;
  }
  if (trouble) throw trouble;
  return { ending: { count: pieces.flat().length, incomplete: ['sea.vessel'], sent_at: '' }, settledUntil: null };
}

function fetched(world: World, state: RowStream, events: RowStream, signal = new AbortController().signal) {
  const client = { state: () => state, events: () => events } as unknown as ReplayClient;
  const beyond = new Beyond(client, { filters: {}, fields: null, tables: [] });
  return arrive(world, beyond, { need: NEED, signal, counted: new Counted(() => undefined) });
}

describe('what arrives', () => {
  it('is a stretch that begins with the state and goes on with the changes', async () => {
    const world = new World();
    const found = await fetched(world, answer([[row(1, '46:00')], [row(2, '46:10')]]), answer([[row(1, '47:00')]]));
    expect(found.stretch).toMatchObject(WINDOW);
    expect([found.changes, found.stretch.size, world.versions.size]).toEqual([1, 1, 3]);
    expect(new Set(found.incomplete)).toEqual(new Set(['sea.vessel']));
  });

  it('meets tables in the order of the state, however early changes come', async () => {
    const world = new World();
    const of = (table: string): Row => ({ ...row(1, '46:00'), table_name: table });
    await fetched(world, answer([[], [], [of('a.first')], [of('b.second')]]), answer([[of('b.second')]]));
    expect(world.entities.tables).toEqual(['a.first', 'b.second']);
  });

  it('weighs nothing once it is given up, also what comes after that', async () => {
    const world = new World();
    const rest = Array.from({ length: 20 }, (_, id) => [row(id, '46:00')]);
    const lost = fetched(world, answer(rest), answer([[row(1, '46:00')]], new TypeError('cut')));
    await expect(lost).rejects.toThrow('cut');
    await new Promise((resolve) => setTimeout(resolve));
    expect(world.versions.bytes).toBe(0);
  });

  it('is given up when it is no longer wanted', async () => {
    const [world, abort] = [new World(), new AbortController()];
    const lost = fetched(world, answer([[row(1, '46:00')]]), answer([[row(1, '47:00')]]), abort.signal);
    abort.abort();
    await expect(lost).rejects.toThrow();
    expect(world.versions.bytes).toBe(0);
  });
});
