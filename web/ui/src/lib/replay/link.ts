import { parse, render, type Instant, type Interval } from '../instants';
import type { Filters } from '../client/rows';
import type { Key } from '../fold/types';
import type { Place } from '../map/view';
import type { Replay } from './replay.svelte';

export const VIEWS = ['replay', 'compare', 'story', 'sessions', 'admin'] as const;
export type View = (typeof VIEWS)[number];

/** What a link opens: a moment, the view of it, what is left out and what is selected. */
export interface Link {
  readonly view?: View;
  readonly at?: Instant;
  readonly window?: Interval;
  readonly filters?: Filters;
  readonly selection?: Key;
  readonly speed?: number;
  /** Where the map looks. */
  readonly map?: Place;
  /** The two instants that are compared. */
  readonly compare?: readonly [Instant, Instant];
  readonly session?: string;
}

/** Read the query of an address; what is not valid is passed over. */
export function readLink(search: string): Link {
  const query = new URLSearchParams(search);
  const moments = (name: string): [Instant, Instant] | undefined => {
    const [a, b] = (query.get(name) ?? '').split('~').map(instant);
    return a !== undefined && b !== undefined ? [a, b] : undefined;
  };
  const window = moments('window');
  const map = (query.get('map') ?? '').split('/').map(Number);
  const speed = Number(query.get('speed') ?? NaN);
  const tables = query.get('tables')?.split(',').filter(Boolean);
  const filters: Filters = withoutUndefined({
    tables: tables?.length ? tables : undefined,
    clip: query.get('clip') || undefined,
  });
  return withoutUndefined({
    view: VIEWS.find((view) => view === query.get('view')),
    at: instant(query.get('t')),
    window: window && { start: window[0], end: window[1] },
    filters: Object.keys(filters).length ? filters : undefined,
    selection: query.get('entity') ?? undefined,
    speed: speed > 0 ? speed : undefined,
    map: map.length === 3 && map.every(Number.isFinite) ? (map as unknown as Place) : undefined,
    compare: moments('compare'),
    session: query.get('session') ?? undefined,
  });
}

/** The query of an address that opens it, with `?`; empty if there is nothing to say. */
export function writeLink(link: Link): string {
  const query = new URLSearchParams();
  const put = (name: string, value: string | undefined): void => {
    if (value) query.set(name, value);
  };
  put('view', link.view === 'replay' ? undefined : link.view);
  put('t', link.at === undefined ? undefined : render(link.at));
  put('window', link.window && `${render(link.window.start)}~${render(link.window.end)}`);
  put('tables', link.filters?.tables?.join(','));
  put('clip', link.filters?.clip);
  put('entity', link.selection);
  put('speed', link.speed === undefined || link.speed === 1 ? undefined : String(link.speed));
  put('map', link.map?.map((number) => Number(number.toFixed(4))).join('/'));
  put('compare', link.compare?.map(render).join('~'));
  put('session', link.session);
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%2F', '/');
  return text && `?${text}`;
}

/** The link to what a replay shows; undefined: there is none, also where an older link has one. */
export function linkOf(replay: Replay): Link {
  return {
    at: replay.playhead || undefined,
    window: replay.window ?? undefined,
    filters: replay.filters, // also none: what an address said before is no longer so
    selection: replay.selection ?? undefined,
    speed: replay.speed,
  };
}

/** Make a replay show what a link says, by the same commands as everybody uses. */
export async function openLink(replay: Replay, link: Link): Promise<void> {
  if (link.filters) await replay.setFilters(link.filters);
  if (link.window) replay.setWindow(link.window);
  if (link.speed) replay.setSpeed(link.speed);
  if (link.at !== undefined) replay.seek(link.at);
  if (link.selection) await replay.select(link.selection);
  if (link.compare) replay.comparing = { a: link.compare[0], b: link.compare[1] }; // the view of it compares
}

function instant(text: string | null | undefined): Instant | undefined {
  try {
    return text ? parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
}
