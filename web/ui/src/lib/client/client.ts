import createFetch, { type Client } from 'openapi-fetch';
import { parse, render, type Instant, type Interval } from '../instants';
import { MsrError } from './errors';
import { rows } from './ndjson';
import type { Closing, DiffRow, Ending, Filters, OldRows, Row, StreamOptions } from './rows';
import { serverEvents, type ServerEvent } from './sse';
import type { components, paths } from './schema';

/** The models of the API by name: `Schemas['SessionView']`. */
export type Schemas = components['schemas'];

export interface ClientOptions {
  /** Where the API is; `''`: where the page came from. */
  readonly baseUrl: string;
  /** The bearer token of the moment; nothing: none is sent (a server on the way may add it). */
  readonly getToken?: () => string | undefined | Promise<string | undefined>;
  /** Called when the server refused the token; the new one, if there is one: the request is sent once more. */
  readonly renewToken?: () => Promise<string | undefined>;
  /** The session that calls belong to: it counts as seen. */
  readonly getSession?: () => string | undefined;
  readonly fetch?: typeof fetch;
}

/** Between what a replay may move. */
export interface Range {
  readonly earliest: Instant;
  /** How far the past is settled; null: nothing is yet. */
  readonly settledUntil: Instant | null;
  readonly now: Instant;
  readonly longestWindow: number;
}

/** What can be left out of differences. */
export type DiffFilters = Pick<Filters, 'tables' | 'fields'>;

/** Rows as they arrive; what the answer says beside them comes with the end. */
export type RowStream = AsyncGenerator<Row[], Closing>;

/**
 * The API without any UI. Everything typed is in `api` (openapi-fetch); `unwrap` turns its answers into data or an
 * `MsrError`. The answers that are long come as streams.
 */
export interface ReplayClient {
  /** What it was made of: an engine in another thread makes one like it. */
  readonly options: ClientOptions;
  readonly api: Client<paths>;
  /** Of what is recorded, or of a clip. */
  range(clip?: string, signal?: AbortSignal): Promise<Range>;
  /** The state of every live entity at an instant. */
  state(at: Instant, filters?: Filters, options?: StreamOptions): RowStream;
  /** What changed after one instant and up to another, in order. */
  events(window: Interval, filters?: Filters, options?: StreamOptions): RowStream;
  /** What differs between two instants, entity by entity. Fields named: changed entities have a state too, of these. */
  diff(between: Interval, filters?: DiffFilters, options?: StreamOptions): AsyncGenerator<DiffRow[], Closing>;
  /** Server-sent events of an address, e.g. `/replay/live`, `/session/{id}/follow`. */
  follow(path: string, query?: Record<string, string>, signal?: AbortSignal): AsyncGenerator<ServerEvent>;
}

/** A client of a worker's API. */
export function createReplay(options: ClientOptions): ReplayClient {
  return new HttpClient(options);
}

/** Parameters of an address; a list is given one by one. */
type Query = Record<string, string | string[]>;

/** What `client.api.GET(…)` and its like have answered. */
interface Answered<Body> {
  readonly data?: Body;
  readonly error?: unknown;
  readonly response: Response;
}

/**
 * The body of an answer of `client.api`: `const { data, page } = await unwrap(client.api.GET('/session', …))`.
 *
 * @throws MsrError: it is an error, or nobody was reached.
 */
export async function unwrap<Body>(asked: Promise<Answered<Body>>): Promise<NonNullable<Body>> {
  const answered = await asked.catch((error: unknown) => {
    throw MsrError.of(error);
  });
  if (!answered.response.ok) throw MsrError.from(answered.response, answered.error);
  return (answered.data ?? {}) as NonNullable<Body>;
}

class HttpClient implements ReplayClient {
  readonly api: Client<paths>;
  readonly #base: string;

  constructor(readonly options: ClientOptions) {
    this.#base = options.baseUrl.replace(/\/$/, '');
    this.api = createFetch<paths>({ baseUrl: this.#base || origin(), fetch: (request) => this.#send(request) });
  }

  async range(clip?: string, signal?: AbortSignal): Promise<Range> {
    const { data } = await unwrap(this.api.GET('/replay/range', { params: { query: sourceOf(clip) }, signal }));
    return {
      earliest: parse(data.earliest),
      settledUntil: data.settled_until === null ? null : parse(data.settled_until),
      now: parse(data.now),
      longestWindow: data.longest_window_seconds * 1_000_000,
    };
  }

  state(at: Instant, filters: Filters = {}, options: StreamOptions = {}): RowStream {
    return this.#rows('/replay/state', { timestamp: render(at), ...written(filters, filters.oldStates) }, options);
  }

  events(window: Interval, filters: Filters = {}, options: StreamOptions = {}): RowStream {
    const moments = { start: render(window.start), end: render(window.end) };
    return this.#rows('/replay/events', { ...moments, ...written(filters, filters.oldEvents) }, options);
  }

  diff(
    between: Interval,
    { tables, fields }: DiffFilters = {},
    options: StreamOptions = {},
  ): AsyncGenerator<DiffRow[], Closing> {
    const moments = { from: render(between.start), to: render(between.end) };
    return this.#rows<DiffRow>('/replay/diff', { ...moments, ...written({ tables, fields }, undefined) }, options);
  }

  async *follow(path: string, query: Record<string, string> = {}, signal?: AbortSignal): AsyncGenerator<ServerEvent> {
    yield* serverEvents(await this.#stream(path, query, 'text/event-stream', signal));
  }

  async *#rows<One extends object = Row>(
    path: string,
    query: Query,
    options: StreamOptions,
  ): AsyncGenerator<One[], Closing> {
    let settledUntil: Instant | null = null;
    const body = await this.#stream(path, query, 'application/x-ndjson', options.signal, (headers) => {
      const text = headers.get('X-Settled-Until');
      settledUntil = text === null ? null : parse(text);
    });
    try {
      const ending: Ending = yield* rows<One>(body, options.onProgress);
      return { ending, settledUntil };
    } catch (error) {
      throw MsrError.of(error);
    }
  }

  async #stream(
    path: string,
    query: Query,
    accept: string,
    signal?: AbortSignal,
    look: (headers: Headers) => void = () => undefined,
  ): Promise<ReadableStream<Uint8Array>> {
    const url = new URL(`${this.#base}${path}`, origin());
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) url.searchParams.append(name, value);
    }
    const request = new Request(url, { headers: { Accept: accept }, signal });
    const response = await this.#send(request).catch((error: unknown) => {
      throw MsrError.of(error);
    });
    if (!response.ok) throw MsrError.from(response, await response.json().catch(() => undefined));
    look(response.headers);
    if (!response.body) throw new MsrError('CUT', 'the answer has no body');
    return response.body;
  }

  async #send(request: Request): Promise<Response> {
    const session = this.options.getSession?.();
    if (session && !request.headers.has('X-Session-ID')) request.headers.set('X-Session-ID', session);
    const again = this.options.renewToken ? request.clone() : undefined;
    const response = await this.#sendAs(request, await this.options.getToken?.());
    if (response.status !== 401 || !again) return response;
    const token = await this.options.renewToken?.();
    return token ? this.#sendAs(again, token) : response;
  }

  #sendAs(request: Request, token: string | undefined): Promise<Response> {
    if (token) request.headers.set('Authorization', `Bearer ${token}`);
    return (this.options.fetch ?? fetch)(request);
  }
}

/** The parameter that asks a clip instead of the recording. */
export function sourceOf(clip: string | undefined): { source?: string } {
  return clip ? { source: `clip:${clip}` } : {};
}

/** Filters as query parameters. */
function written(filters: Filters, old: OldRows | undefined): Query {
  return {
    ...(filters.entities?.length ? { entity: [...filters.entities] } : {}),
    ...(filters.tables?.length ? { tables: filters.tables.join(',') } : {}),
    ...(filters.fields?.length ? { fields: filters.fields.join(',') } : {}),
    ...(filters.bbox ? { bbox: filters.bbox.join(',') } : {}),
    ...sourceOf(filters.clip),
    ...(old?.tables.length ? { filter_tables: old.tables.join(','), filter_min_timestamp: render(old.before) } : {}),
  };
}

function origin(): string {
  return globalThis.location?.origin ?? 'http://localhost';
}
