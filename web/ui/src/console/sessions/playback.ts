import { parse, render, type Filters, type Interval, type Replay, type Schemas } from '../../lib';
import { SECOND } from '../../lib';

export type Session = Schemas['SessionView'];
type Playback = Schemas['PlaybackView'];

/** What a session keeps of a replay, as `PATCH /session/{id}` takes it. */
export interface Kept {
  readonly status: 'playing' | 'paused';
  readonly playhead: string;
  readonly speed: number;
  readonly window: { readonly start: string; readonly end: string } | null;
  readonly filters: Record<string, unknown> | null;
}

/** A follower's playhead may be so far from the presenter's before it is moved there, as time to watch. */
const DRIFT = 2 * SECOND;

/** What there is to keep of a replay now. */
export function keptOf(replay: Replay): Kept {
  const { window, filters } = replay;
  return {
    status: replay.playing ? 'playing' : 'paused',
    playhead: render(replay.playhead),
    speed: replay.speed * replay.direction,
    window: window && { start: render(window.start), end: render(window.end) },
    filters: Object.keys(filters).length ? { ...filters } : null,
  };
}

/** Whether nothing but the playhead has changed: that is told as a tick. */
export function isTick(before: Kept, after: Kept): boolean {
  const rest = ({ status, speed, window, filters }: Kept): string => JSON.stringify([status, speed, window, filters]);
  return rest(before) === rest(after);
}

/** Make a replay show what a session has kept; `playing`: also whether it plays. */
export async function show(replay: Replay, playback: Playback, playing: boolean): Promise<void> {
  const filters = (playback.filters ?? {}) as Filters;
  if (JSON.stringify(filters) !== JSON.stringify(replay.filters)) await replay.setFilters(filters);
  replay.setWindow(intervalOf(playback.window));
  if (playback.speed < 0 !== replay.direction < 0) replay.reverse();
  replay.setSpeed(Math.abs(playback.speed));
  const at = playback.playhead === null ? null : parse(playback.playhead);
  const plays = playing && playback.status === 'playing';
  if (at !== null && (!plays || !replay.playing || farFrom(replay, at, playback.speed))) replay.seek(at);
  if (plays !== replay.playing) {
    if (plays) replay.play();
    else replay.pause();
  }
}

function farFrom(replay: Replay, at: number, speed: number): boolean {
  return Math.abs(replay.playhead - at) > DRIFT * Math.max(1, Math.abs(speed));
}

function intervalOf(window: Record<string, unknown> | null): Interval | null {
  if (typeof window?.['start'] !== 'string' || typeof window['end'] !== 'string') return null;
  return { start: parse(window['start']), end: parse(window['end']) };
}
