import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ReplayClient, RowStream } from '../client/client';
import { MsrError } from '../client/errors';
import type { Filters, Row, State } from '../client/rows';
import { histories, Model, rowOf } from '../fold/model';
import type { Change } from '../fold/types';
import { MINUTE, render, SECOND, type Instant, type Interval } from '../instants';
import { pair } from './channels';
import { Engine } from './engine';
import { EnginePort } from './port';
import type { Frame, Said, Told } from './protocol';

const RANGE = { start: 1_000 * MINUTE, end: 1_010 * MINUTE };

/** A server that answers from a model; it fails as often as it is told to. */
class ModelServer {
  asked = 0;
  failing: MsrError[] = [];
  ended = 0;
  /** What every answer waits for. */
  gate: Promise<void> = Promise.resolve();

  constructor(public model: Model) {}

  readonly client = (): ReplayClient => {
    const stream = (changes: Change[], signal: AbortSignal | undefined): RowStream => this.#stream(changes, signal);
    return {
      state: (at, filters, options) => stream(part(this.model.state(at), filters), options?.signal),
      events: (window, filters, options) => stream(part(this.model.events(window), filters), options?.signal),
    } as Partial<ReplayClient> as ReplayClient;
  };

  async *#stream(changes: Change[], signal: AbortSignal | undefined): RowStream {
    this.asked++;
    const failure = this.failing.pop();
    if (failure) throw failure;
    await this.gate;
    const rows = changes.map(rowOf);
    try {
      for (let start = 0; start < rows.length; start += 7) {
        await Promise.resolve();
        signal?.throwIfAborted();
        yield rows.slice(start, start + 7) as Row[];
      }
      const ending = { count: rows.length, incomplete: ['sea.vessel'], sent_at: render(RANGE.end) };
      return { ending, settledUntil: RANGE.end };
    } finally {
      this.ended++;
    }
  }
}

/** What filters leave of changes. */
function part(changes: Change[], { entities, fields }: Filters = {}): Change[] {
  const some = (state: State | null): State | null =>
    state && fields ? Object.fromEntries(Object.entries(state).filter(([name]) => fields.includes(name))) : state;
  return changes
    .filter(({ table, id }) => !entities || entities.includes(`${table}:${id}`))
    .map((change) => ({ ...change, state: some(change.state) }));
}

const open: EnginePort[] = [];
afterEach(() => open.splice(0).forEach((port) => port.close()));

function start(
  model: Model,
  budgetBytes = 100_000_000,
  spare?: number,
): { port: EnginePort; server: ModelServer; see: See } {
  const server = new ModelServer(model);
  const [page, thread] = pair<Said, Told>();
  new Engine(thread, server.client, spare);
  const port = new EnginePort(page, async () => 'token');
  open.push(port);
  port.begin({ baseUrl: '', budgetBytes });
  let number = 0;
  const see: See = (at, direction = 1, range = RANGE) =>
    new Promise((resolve) => {
      const wish = ++number;
      const end = port.listen((told) => {
        if (told.kind !== 'frame' || told.wish !== wish) return;
        end();
        resolve(told.frame);
      });
      port.show({ number: wish, at, direction, speed: 1, range });
    });
  return { port, server, see };
}

type See = (at: Instant, direction?: 1 | -1, range?: Interval) => Promise<Frame>;

const SOME = new Model(
  Array.from({ length: 60 }, (_, n): Change => {
    const state = { n, name: `ship ${n % 10}`, lon: n, lat: n / 2 };
    return {
      table: 'sea.vessel',
      id: String(n % 10),
      op: n < 10 ? 'c' : 'u',
      at: RANGE.start + (n + 1) * 10 * SECOND,
      state,
      bytes: 80,
    };
  }),
);

describe('the engine', () => {
  it('shows what the server has recorded, wherever one goes', async () => {
    const seeks = fc.array(fc.tuple(fc.integer({ min: RANGE.start, max: RANGE.end }), fc.constantFrom<1 | -1>(1, -1)), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(histories(RANGE), fc.constantFrom(5_000, 100_000_000), seeks, async (model, budget, asked) => {
        const { port, see } = start(model, budget);
        for (const [at, direction] of asked) {
          const frame = await see(at, direction);
          expect(frame.at).toBe(at);
          const page = await port.call('rows', { table: null, offset: 0, limit: 1_000 });
          expect(Object.fromEntries(page.rows.map((row) => [row.key, row.state['n']]))).toEqual(model.numbers(at));
          expect(frame.tables.reduce((sum, one) => sum + one.entities, 0)).toBe(page.total);
        }
        port.close();
      }),
      { numRuns: 40 },
    );
  });

  it('asks the server nothing about a moment that it holds', async () => {
    const { server, see } = start(SOME);
    await see(RANGE.start + 5 * MINUTE);
    await see(RANGE.start + 5 * MINUTE + SECOND);
    const asked = server.asked;
    await see(RANGE.start + 5 * MINUTE + 30 * SECOND, -1);
    expect(server.asked - asked).toBeLessThanOrEqual(2); // ahead, in the new direction: not for this moment
  });

  it('goes on from where it is, without a whole state, when the newest is followed', async () => {
    const { server, see } = start(SOME);
    let states = 0;
    const state = server.model.state.bind(server.model);
    server.model = Object.assign(new Model(SOME.history), { state: (at: Instant) => (states++, state(at)) });
    for (let at = RANGE.start + 5 * MINUTE; at < RANGE.end; at += 3 * SECOND) {
      await see(at, 1, { start: RANGE.start, end: at });
    }
    expect(states).toBe(1);
  });

  it('finds, filters and sorts, and gives the rows that are seen', async () => {
    const { port, see } = start(SOME);
    await see(RANGE.end);
    const sort = { column: 'n', descending: true };
    const page = await port.call('rows', { table: 'sea.vessel', sort, offset: 1, limit: 2 });
    expect(page.total).toBe(10);
    expect(page.rows.map((row) => row.state['n'])).toEqual([58, 57]);
    const found = await port.call('rows', { table: null, search: 'SHIP 3', offset: 0, limit: 5 });
    expect(found.rows.map((row) => row.id)).toEqual(['3']);
    const filtered = await port.call('rows', {
      table: null,
      filters: [{ column: 'n', text: '51' }],
      offset: 0,
      limit: 5,
    });
    expect(filtered.rows.map((row) => row.id)).toEqual(['1']);
  });

  it('tells an entity in full, its trail, and when it changes next, also beyond what it holds', async () => {
    const { port, see } = start(SOME);
    await see(RANGE.start + 5 * MINUTE);
    const entity = await port.call('entity', 'sea.vessel:9');
    expect(entity).toMatchObject({ label: 'ship 9', state: { n: 29 }, lon: 29, op: 'u' });
    const [trail] = await port.call('trails', Uint32Array.of(entity.slot), RANGE);
    expect(trail!.at.length).toBeGreaterThan(0);
    expect(trail!.at.at(-1)).toBe(RANGE.start + 300 * SECOND);
    for (const direction of [1, -1] as const) {
      for (let at: Instant | null = RANGE.start + 5 * MINUTE; at !== null;) {
        const next: Instant | null = await port.call('step', at, direction, 'sea.vessel:9', RANGE);
        expect(next).toBe(SOME.next(at, direction, 'sea.vessel:9'));
        at = next;
      }
    }
  });

  it('fetches the fields that are shown, and of an entity that is opened the others, once', async () => {
    const { port, server, see } = start(SOME);
    await port.call('configure', { filters: {}, fields: ['lat', 'lon'], tables: [] });
    expect((await see(RANGE.start + 5 * MINUTE)).slots).toHaveLength(10);
    const page = await port.call('rows', { table: null, offset: 0, limit: 1 });
    expect(Object.keys(page.rows[0]!.state)).toEqual(['lon', 'lat']);
    await see(RANGE.start + 5 * MINUTE + SECOND);
    const asked = server.asked;
    const whole = { n: 29, name: 'ship 9', lon: 29, lat: 14.5 };
    expect(await port.call('entity', 'sea.vessel:9')).toMatchObject({ state: whole });
    expect(await port.call('entity', 'sea.vessel:9')).toMatchObject({ state: whole });
    expect(server.asked - asked).toBe(1);
    await see(RANGE.start + 5 * MINUTE - 20 * SECOND);
    expect(await port.call('entity', 'sea.vessel:9')).toMatchObject({ state: { n: 19 } });
    const found = await port.call('compare', RANGE.start + 5 * MINUTE, RANGE.start + 5 * MINUTE + 20 * SECOND);
    expect(found.changed.map((row) => [row.id, row.fields])).toContainEqual(['0', ['n', 'lon', 'lat']]);
  });

  it('gives tables their colours in the order that it is told, whatever arrives first, and lists those that it has met', async () => {
    const { port, see } = start(SOME);
    const tables = ['ops.note', 'sea.vessel', 'air.flight'];
    await port.call('configure', { filters: {}, fields: null, tables });
    const frame = await see(RANGE.end);
    expect(frame.groups.slice(0, 3)).toEqual(tables);
    expect(frame.tables.map(({ table }) => table)).toEqual(['sea.vessel']);
    expect(new Set(frame.group)).toEqual(new Set([1]));
  });

  it('answers of what is still shown until something else is', async () => {
    const { port, server, see } = start(SOME);
    await see(RANGE.end);
    let open: () => void = () => undefined;
    server.gate = new Promise((resolve) => (open = resolve));
    const query = { table: null, offset: 0, limit: 1 };
    await port.call('configure', { filters: {}, fields: ['lat', 'lon', 'n'], tables: [] });
    expect(await port.call('rows', query)).toMatchObject({ total: 10, rows: [{ state: { name: 'ship 0' } }] });
    open();
    expect((await see(RANGE.end)).slots).toHaveLength(10);
    expect((await port.call('rows', query)).rows[0]!.state).not.toHaveProperty('name');
  });

  it('compares two instants field by field', async () => {
    const { port } = start(SOME);
    const found = await port.call('compare', RANGE.start + 50 * SECOND, RANGE.start + 120 * SECOND);
    expect(found.created.map((row) => row.id).sort()).toEqual(['5', '6', '7', '8', '9']);
    expect(found.deleted).toEqual([]);
    expect(found.changed.map((row) => [row.id, row.fields])).toEqual([
      ['0', ['n', 'lon', 'lat']],
      ['1', ['n', 'lon', 'lat']],
    ]);
  });

  it('says what went wrong, tries again by itself, and says when it is well', async () => {
    const { port, server, see } = start(SOME);
    server.failing = [
      new MsrError('SERVICE_UNAVAILABLE', 'busy', { status: 503, retryAfter: 0.01, correlationId: 'x' }),
    ];
    const told: string[] = [];
    port.listen((one) => {
      if (one.kind === 'failed') told.push(`${one.error.message} ${one.error.about.correlationId} ${one.retryIn}`);
      if (one.kind === 'recovered') told.push('recovered');
    });
    await see(RANGE.end);
    expect(told[0]).toBe('busy x 10');
    await expect.poll(() => told.at(-1)).toBe('recovered');
  });

  it('does not try again what cannot go well, until something else is wished for', async () => {
    const { port, server, see } = start(SOME);
    const refused = new MsrError('TIMESTAMP_OUT_OF_RANGE', 'too early', { status: 400 });
    server.failing = [refused, refused];
    const failed = new Promise((resolve) => port.listen((one) => one.kind === 'failed' && resolve(one.retryIn)));
    void see(RANGE.start);
    expect(await failed).toBeNull();
    server.failing = [];
    expect((await see(RANGE.end)).at).toBe(RANGE.end);
  });

  it('fulfils the last of many wishes, and leaves what the others have asked for', async () => {
    const { server, see } = start(SOME);
    void see(RANGE.start + MINUTE);
    void see(RANGE.start + 3 * MINUTE);
    const frame = await see(RANGE.start + 9 * MINUTE);
    expect(frame.at).toBe(RANGE.start + 9 * MINUTE);
    await expect.poll(() => server.ended).toBe(server.asked);
  });

  it('does not keep a place for everything that ever was', async () => {
    const brief = Array.from({ length: 6_000 }, (_, n): Change => {
      const [id, gone] = [String(n >> 1), n % 2 === 1];
      const state = gone ? null : { n, lon: 1, lat: 2 };
      return { table: 'sea.buoy', id, op: gone ? 'd' : 'c', at: RANGE.start + n * 100_000, state, bytes: 500 };
    });
    const { see } = start(new Model(brief), 200_000, 500);
    let highest = 0;
    for (let at = RANGE.start; at < RANGE.end; at += 2 * SECOND) {
      const { slots } = await see(at, 1);
      highest = Math.max(highest, ...slots);
    }
    expect(highest).toBeLessThan(2_000);
    expect((await see(RANGE.start + 3 * MINUTE)).slots).toHaveLength(1);
  });

  it('tells of which tables the server may not have all', async () => {
    const { see } = start(SOME);
    expect((await see(RANGE.end)).incomplete).toEqual(['sea.vessel']);
  });
});
