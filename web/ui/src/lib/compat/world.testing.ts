import { flushSync } from 'svelte';
import { createReplay, type ReplayClient } from '../client/client';
import type { Row } from '../client/rows';
import { parse, render, SECOND, type Instant } from '../instants';
import { Replay } from '../replay/replay.svelte';
import type { Ticker } from '../replay/clock';
import { pair } from '../worker/channels';
import { Engine } from '../worker/engine';
import { EnginePort } from '../worker/port';
import type { Said, Told } from '../worker/protocol';

export const START = parse('2026-11-25T10:00:00Z');
export const END = START + 600 * SECOND;

/** An address that was asked, with what was sent along. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly session: string | null;
}

/** A worker's API over a handful of events, for the parts that speak to it; it refuses what a test wants it to. */
export class SmallWorld {
  readonly asked: Asked[] = [];
  readonly refusals = new Map<string, Response>();
  readonly sessions = [session('s1', 'ACTIVE'), session('s2', 'INACTIVE'), session('s3', 'ACTIVE')];
  readonly client: ReplayClient = createReplay({
    baseUrl: 'http://worker.example',
    fetch: async (input) => this.#answer(input as Request),
  });

  constructor(readonly events: readonly Row[]) {}

  /** The real engine and `Replay` over it, in one thread; time passes as the test says. */
  makeReplay = (ticker: Ticker): Replay => {
    const [page, thread] = pair<Said, Told>();
    new Engine(thread, (options) =>
      createReplay({
        ...options,
        baseUrl: 'http://worker.example',
        fetch: async (input) => this.#answer(input as Request),
      }),
    );
    const engine = new EnginePort(page, async () => 'token');
    engine.begin({ baseUrl: '', budgetBytes: 100_000_000 });
    return new Replay({ client: this.client, engine, ticker });
  };

  /** The last question to an address. */
  last(path: string): Asked {
    const found = this.asked.findLast((one) => one.path === path);
    if (!found) throw new Error(`${path} was not asked`);
    return found;
  }

  #answer(request: Request): Response {
    const { pathname: path, searchParams: query } = new URL(request.url);
    this.asked.push({ method: request.method, path, query, session: request.headers.get('X-Session-ID') });
    const refusal = this.refusals.get(`${request.method} ${path}`);
    if (refusal) return refusal.clone();
    switch (path) {
      case '/replay/state':
        return ndjson(this.#state(parse(query.get('timestamp')!)));
      case '/replay/events':
        return ndjson(this.#between(parse(query.get('start')!), parse(query.get('end')!)));
      case '/replay/range':
        return data({
          earliest: render(START),
          settled_until: render(END),
          now: render(END),
          longest_window_seconds: 604_800,
        });
      case '/replay/tables':
        return data([]);
      case '/admin/settings':
        return data({ max_playback_range: 7, earliest_valid_timestamp: '1900-01-01T00:00:00Z' });
      case '/session':
        return request.method === 'POST' ? data(this.sessions[0]) : data(this.sessions);
      case '/admin/sessions':
        return data(this.sessions, { total_records: 30 });
      default:
        return new Response(null, { status: 204 });
    }
  }

  #state(at: Instant): Row[] {
    const last = new Map<string, Row>();
    for (const row of this.#between(-Infinity, at)) last.set(`${row.table_name}:${row.entity_id}`, row);
    return [...last.values()].filter((row) => row.op !== 'd');
  }

  #between(start: Instant, end: Instant): Row[] {
    return this.events.filter(({ event_timestamp: at }) => parse(at) > start && parse(at) <= end);
  }
}

/** An event so many seconds after the start. */
export function event(
  second: number,
  id: string,
  op: Row['op'],
  state: Record<string, unknown>,
  table = 'air.flight',
): Row {
  const at = render(START + second * SECOND);
  return { entity_id: id, entity_state: state, op, event_timestamp: at, table_name: table };
}

/** Time that passes when a test says so. */
export class HandTicker implements Ticker {
  #now = 0;
  #tick: () => void = () => undefined;

  now(): number {
    return this.#now;
  }

  start(tick: () => void): () => void {
    this.#tick = tick;
    return () => (this.#tick = () => undefined);
  }

  pass(milliseconds: number): void {
    flushSync(); // whether ticks come often has changed with what was done
    this.#now += milliseconds;
    this.#tick();
  }
}

export function refusal(status: number, errorCode: string, errorMessage: string): Response {
  return Response.json({ errorCode, errorMessage }, { status, headers: { 'X-Correlation-ID': 'c-1' } });
}

function session(id: string, status: 'ACTIVE' | 'INACTIVE'): Record<string, unknown> {
  const at = render(START);
  return { id, status, username: 'alice', created_at: at, last_seen_at: at };
}

function ndjson(rows: readonly Row[]): Response {
  const ending = { count: rows.length, incomplete: [], sent_at: render(END) };
  const text = [...rows, ending].map((one) => `${JSON.stringify(one)}\n`).join('');
  return new Response(text, { headers: { 'X-Settled-Until': render(END) } });
}

function data(value: unknown, page?: unknown): Response {
  return Response.json({ data: value, page, sent_at: render(END) });
}
