/** For tests: a replay of an hour, with a server that says what it was asked. */
import type { ReplayClient, Schemas } from '../client/client';
import type { Filters } from '../client/rows';
import { DAY, HOUR, MINUTE, parse, render, SECOND } from '../instants';
import type { Ticker } from '../replay/clock';
import { Replay } from '../replay/replay.svelte';
import type { Channel } from '../worker/port';
import { EnginePort } from '../worker/port';
import type { Said, Told } from '../worker/protocol';

export const START = parse('2026-11-25T12:00:00Z');
export const RANGE = { start: START, end: START + HOUR };

/** What the server has as a clip: some minutes of the day before. */
export const CLIP = { start: START - DAY, end: START - DAY + 10 * MINUTE };

export type Query = Record<string, string | number>;

/** Answers activity with one change of one table in each bucket, and coverage as it is given. */
export class CountingServer {
  readonly asked: { readonly path: string; readonly query: Query }[] = [];
  #held: Promise<void> | undefined;
  coverage: readonly Schemas['CoverageView'][] = [];
  failure: { readonly status: number; readonly body: unknown } | null = null;

  readonly client = {
    api: {
      GET: (path: string, options: { params?: { query?: Query } }) => this.#get(path, options.params?.query ?? {}),
    },
    range: async (clip?: string) => ({
      earliest: clip ? CLIP.start : START,
      settledUntil: clip ? CLIP.end : RANGE.end,
      now: clip ? CLIP.end : RANGE.end + 2 * SECOND,
      longestWindow: clip ? CLIP.end - CLIP.start : 7 * DAY,
    }),
  } as unknown as ReplayClient;

  of(path: string): Query[] {
    return this.asked.filter((one) => one.path === path).map((one) => one.query);
  }

  /** The next answer waits until what is returned is called. */
  hold(): () => void {
    let release: () => void = () => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return release;
  }

  async #get(path: string, query: Query): Promise<unknown> {
    this.asked.push({ path, query });
    const held = this.#held;
    this.#held = undefined;
    await held;
    if (this.failure) {
      const { status, body } = this.failure;
      return { response: new Response(null, { status, headers: { 'X-Correlation-ID': 'c-1' } }), error: body };
    }
    return { response: new Response(), data: { data: this.#answer(path, query) } };
  }

  #answer(path: string, query: Query): unknown {
    if (path === '/replay/tables') {
      const table_name = query['source'] ? 'sea.clipped' : 'sea.vessel';
      return [{ table_name, columns: [], wide: [], location: null, first_change_at: render(START) }];
    }
    if (path === '/replay/coverage') return this.coverage;
    const [start, end] = [parse(String(query['start'])), parse(String(query['end']))];
    const length = Math.max(1, Math.ceil((end - start) / MINUTE / Number(query['buckets']))) * MINUTE;
    const buckets = [];
    for (let begin = start; begin < end; begin += length) {
      buckets.push({ begin: render(begin), table_name: 'sea.vessel', op: 'u', changes: 1 });
    }
    return { bucket_seconds: length / SECOND, buckets };
  }
}

/** An engine that has an answer to everything: nothing. */
function silentEngine(): EnginePort {
  let hear: (told: Told) => void = () => undefined;
  const channel: Channel<Said, Told> = {
    send: (said) => void (said.kind === 'call' && queueMicrotask(() => hear({ kind: 'answer', number: said.number }))),
    listen: (listener) => (hear = listener),
    close: () => undefined,
  };
  return new EnginePort(channel, async () => undefined);
}

const still: Ticker = { now: () => 0, start: () => () => undefined };

/** It is not open yet. */
export function newReplay(server = new CountingServer()): Replay {
  return new Replay({ client: server.client, engine: silentEngine(), ticker: still });
}

/** It is open, and stands in the middle of its hour. */
export async function givenReplay(server = new CountingServer(), filters: Filters = {}): Promise<Replay> {
  const replay = newReplay(server);
  replay.filters = filters;
  await replay.open(START + HOUR / 2);
  return replay;
}
