import { unwrap, type ReplayClient } from '../client/client';
import type { Filters, State } from '../client/rows';
import { xOf, yOf } from '../fold/mercator';
import { placeOf } from '../fold/positions';
import { splitKey, type Key, type PositionSource, type Slot } from '../fold/types';
import { parse, render, type Instant, type Interval } from '../instants';
import type { Trail } from './protocol';

/** Changes are asked for by so many at a time. */
const PAGE = 1000;
/** Of so many entities it is kept what was asked for. */
const MOST = 200;
/** What failed is asked for again after so long, milliseconds. */
const AGAIN = 2_000;

/** What one entity was, change by change, within a window. */
export type AskStates = (key: Key, window: Interval, fields: readonly string[]) => Promise<readonly Was[]>;

export interface Was {
  readonly at: Instant;
  readonly state: State | null;
}

/** Whose trail it is, and where its positions are found; null: it has none. */
export interface Tailed {
  readonly key: Key;
  readonly source: PositionSource | null;
}

type Way = Pick<Trail, 'at' | 'x' | 'y'>;

interface Tail {
  readonly window: Interval;
  readonly source: PositionSource;
  readonly way: Promise<Way>;
}

/** Where entities were before what is held: asked for one by one, and kept. */
export class Tails {
  readonly #kept = new Map<Key, Tail>();

  constructor(private readonly ask: AskStates) {}

  /**
   * Trails that begin at the window's start, made of such as may begin only at its end; as they are, and not whole,
   * where the server says nothing.
   */
  async lengthen(trails: readonly Trail[], of: (slot: Slot) => Tailed, window: Interval): Promise<Trail[]> {
    const found: Trail[] = [];
    for (const trail of trails) {
      const { key, source } = of(trail.slot);
      const asIs = (): Trail => ({ ...trail, whole: false });
      found.push(source ? await this.#longer(trail, key, source, window).catch(asIs) : trail);
    }
    return found;
  }

  async #longer(trail: Trail, key: Key, source: PositionSource, window: Interval): Promise<Trail> {
    const before = await this.#find(key, source, window);
    const until = Math.min(window.end, trail.at[0] ?? Infinity);
    const first = before.at.findIndex((at) => at > window.start);
    const last = before.at.findLastIndex((at) => at < until);
    if (first < 0 || last < first) return trail;
    const joined = (column: 'at' | 'x' | 'y'): Float64Array =>
      Float64Array.of(...before[column].subarray(first, last + 1), ...trail[column]);
    return { ...trail, at: joined('at'), x: joined('x'), y: joined('y') };
  }

  #find(key: Key, source: PositionSource, window: Interval): Promise<Way> {
    const kept = this.#kept.get(key);
    const serves = kept?.source === source && kept.window.start <= window.start && kept.window.end >= window.end;
    const tail = serves ? kept : this.#begin(key, source, window);
    this.#kept.delete(key);
    this.#kept.set(key, tail); // the one that was asked for last is let go of last
    if (this.#kept.size > MOST) this.#kept.delete(this.#kept.keys().next().value!);
    return tail.way;
  }

  /** More than is asked for: who plays backwards soon wants what was before. */
  #begin(key: Key, source: PositionSource, { start, end }: Interval): Tail {
    const window = { start: start - (end - start), end };
    const fields = source.kind === 'pair' ? [source.lon, source.lat] : [source.field];
    const way = this.ask(key, window, fields).then((states) => wayOf(states, source));
    const tail = { window, source, way };
    way.catch(() => setTimeout(() => this.#kept.get(key) === tail && this.#kept.delete(key), AGAIN));
    return tail;
  }
}

function wayOf(states: readonly Was[], source: PositionSource): Way {
  const found = states.flatMap(({ at, state }) => {
    const place = state && placeOf(source, state);
    return place ? [{ at, x: xOf(place.lon), y: yOf(place.lat) }] : [];
  });
  const column = (name: 'at' | 'x' | 'y'): Float64Array => Float64Array.from(found, (one) => one[name]);
  return { at: column('at'), x: column('x'), y: column('y') };
}

/** Ask the server, no further back than it may be asked. */
export function statesOf(client: ReplayClient, { clip }: Filters, earliest: () => Instant): AskStates {
  return async (key, window, fields) => {
    const start = Math.max(window.start, earliest());
    if (start >= window.end) return [];
    const { table, id: entity } = splitKey(key);
    const found: Was[] = [];
    for (let number = 1; ; number++) {
      const query = {
        start: render(start),
        end: render(window.end),
        fields: fields.join(','),
        page: String(number),
        size: String(PAGE),
        ...(clip ? { source: `clip:${clip}` } : {}),
      };
      const { data, page } = await unwrap(
        client.api.GET('/replay/entity/{table}/{entity}', { params: { path: { table, entity }, query } }),
      );
      for (const one of data) found.push({ at: parse(one.event_timestamp), state: one.entity_state ?? null });
      if (number * PAGE >= page.total_records) return found;
    }
  };
}
