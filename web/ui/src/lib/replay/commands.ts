import { SECOND, type Interval } from '../instants';
import { FASTEST, SLOWEST } from './playhead.svelte';
import type { Replay } from './replay.svelte';

/** What the page may do beside the replay: views, help, sharing. A page gives what it can. */
export interface Surroundings {
  showHelp?(): void;
  share?(): void;
  goToTime?(): void;
  bookmark?(): void;
  /** What the map has drawn. */
  picture?(): HTMLCanvasElement;
  /** The time bar's: closer (a factor below 1) or wider; along by a share of what is shown; a stretch, or all of it. */
  zoom?(factor: number): void;
  pan?(share: number): void;
  showStretch?(stretch: Interval | null): void;
}

export interface Command {
  readonly id: string;
  readonly group: 'Playback' | 'Moving' | 'Window' | 'Time bar' | 'Selection' | 'Page';
  readonly label: string;
  /** As `KeyboardEvent.key` has them, after `Shift+` where it must be held; several do the same. */
  readonly keys: readonly string[];
  run(replay: Replay, around: Surroundings): void | Promise<void>;
}

/** The speeds that faster and slower go through. */
export const SPEEDS = [0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600] as const;

function faster(replay: Replay): void {
  replay.setSpeed(SPEEDS.find((speed) => speed > replay.speed) ?? FASTEST);
}

function slower(replay: Replay): void {
  replay.setSpeed(SPEEDS.findLast((speed) => speed < replay.speed) ?? SLOWEST);
}

function markStart(replay: Replay): void {
  const end = Math.max(replay.playhead, replay.window?.end ?? replay.range?.end ?? replay.playhead);
  replay.setWindow({ start: replay.playhead, end });
}

function markEnd(replay: Replay): void {
  const start = Math.min(replay.playhead, replay.window?.start ?? replay.range?.start ?? replay.playhead);
  replay.setWindow({ start, end: replay.playhead });
}

/** Everything that a key, a button or a link can do. */
export const COMMANDS: readonly Command[] = [
  { id: 'toggle', group: 'Playback', label: 'Play or pause', keys: [' ', 'k'], run: (r) => r.toggle() },
  { id: 'reverse', group: 'Playback', label: 'Turn the direction', keys: ['r'], run: (r) => r.reverse() },
  { id: 'faster', group: 'Playback', label: 'Faster', keys: ['+', '=', '>'], run: faster },
  { id: 'slower', group: 'Playback', label: 'Slower', keys: ['-', '<'], run: slower },
  { id: 'normal', group: 'Playback', label: 'As fast as it happened', keys: ['1'], run: (r) => r.setSpeed(1) },
  {
    id: 'skip-idle',
    group: 'Playback',
    label: 'Skip idle stretches',
    keys: ['i'],
    run: (r) => r.skipIdle(!r.skippingIdle),
  },
  {
    id: 'back',
    group: 'Moving',
    label: '10 seconds back',
    keys: ['ArrowLeft', 'j'],
    run: (r) => r.seek(r.playhead - 10 * SECOND),
  },
  {
    id: 'on',
    group: 'Moving',
    label: '10 seconds on',
    keys: ['ArrowRight', 'l'],
    run: (r) => r.seek(r.playhead + 10 * SECOND),
  },
  {
    id: 'far-back',
    group: 'Moving',
    label: '1 minute back',
    keys: ['Shift+ArrowLeft'],
    run: (r) => r.seek(r.playhead - 60 * SECOND),
  },
  {
    id: 'far-on',
    group: 'Moving',
    label: '1 minute on',
    keys: ['Shift+ArrowRight'],
    run: (r) => r.seek(r.playhead + 60 * SECOND),
  },
  { id: 'previous', group: 'Moving', label: 'Previous change', keys: [','], run: (r) => r.step(-1) },
  { id: 'next', group: 'Moving', label: 'Next change', keys: ['.'], run: (r) => r.step(1) },
  {
    id: 'start',
    group: 'Moving',
    label: 'To the beginning',
    keys: ['Home'],
    run: (r) => (r.range && r.seek(r.range.start)) || undefined,
  },
  { id: 'live', group: 'Moving', label: 'To the newest', keys: ['End'], run: (r) => r.jumpToLive() },
  { id: 'follow', group: 'Moving', label: 'Follow the newest', keys: ['f'], run: (r) => r.follow() },
  { id: 'go-to', group: 'Moving', label: 'Go to a time', keys: ['g'], run: (_, around) => around.goToTime?.() },
  { id: 'window-start', group: 'Window', label: 'The window begins here', keys: ['['], run: markStart },
  { id: 'window-end', group: 'Window', label: 'The window ends here', keys: [']'], run: markEnd },
  { id: 'no-window', group: 'Window', label: 'No window', keys: ['\\'], run: (r) => r.setWindow(null) },
  { id: 'loop', group: 'Window', label: 'Loop the window', keys: ['o'], run: (r) => r.setLooping(!r.looping) },
  { id: 'closer', group: 'Time bar', label: 'Show less time', keys: ['z'], run: (_, around) => around.zoom?.(0.5) },
  {
    id: 'wider',
    group: 'Time bar',
    label: 'Show more time',
    keys: ['Shift+Z'],
    run: (_, around) => around.zoom?.(2),
  },
  {
    id: 'pan-back',
    group: 'Time bar',
    label: 'Show what was before',
    keys: ['Shift+J'],
    run: (_, around) => around.pan?.(-0.5),
  },
  {
    id: 'pan-on',
    group: 'Time bar',
    label: 'Show what comes after',
    keys: ['Shift+L'],
    run: (_, around) => around.pan?.(0.5),
  },
  {
    id: 'show-window',
    group: 'Time bar',
    label: 'Show the window',
    keys: ['w'],
    run: (r, around) => around.showStretch?.(r.window),
  },
  {
    id: 'show-all',
    group: 'Time bar',
    label: 'Show all that was recorded',
    keys: ['0'],
    run: (_, around) => around.showStretch?.(null),
  },
  {
    id: 'previous-own',
    group: 'Selection',
    label: 'Its previous change',
    keys: ['Shift+,', 'Shift+<'],
    run: (r) => r.step(-1, 'selection'),
  },
  {
    id: 'next-own',
    group: 'Selection',
    label: 'Its next change',
    keys: ['Shift+.', 'Shift+>'],
    run: (r) => r.step(1, 'selection'),
  },
  { id: 'deselect', group: 'Selection', label: 'Select nothing', keys: ['Escape'], run: (r) => r.select(null) },
  {
    id: 'bookmark',
    group: 'Page',
    label: 'Bookmark this moment',
    keys: ['b'],
    run: (r, around) => (around.bookmark ? around.bookmark() : void r.addBookmark('Bookmark')),
  },
  {
    id: 'share',
    group: 'Page',
    label: 'Copy a link to this moment',
    keys: ['s'],
    run: (_, around) => around.share?.(),
  },
  { id: 'help', group: 'Page', label: 'These keys', keys: ['?'], run: (_, around) => around.showHelp?.() },
];

const BY_ID = new Map(COMMANDS.map((command) => [command.id, command]));
const BY_KEY = new Map(COMMANDS.flatMap((command) => command.keys.map((key) => [key, command] as const)));

/** @throws Error: there is no such command. */
export function command(id: string): Command {
  const found = BY_ID.get(id);
  if (!found) throw new Error(`no command ${id}`);
  return found;
}

/** The command of a key, unless it is meant for what has the focus (a field, a button that space presses). */
export function commandOf(event: KeyboardEvent): Command | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isForFocus(event)) return undefined;
  const shifted = event.shiftKey ? BY_KEY.get(`Shift+${event.key}`) : undefined;
  return shifted ?? BY_KEY.get(event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : event.key);
}

const ARROWS = new Set(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown']);

function isForFocus(event: KeyboardEvent): boolean {
  const target = event.target as Partial<HTMLElement> | null;
  if (!target?.closest) return false;
  if (target.closest('input, textarea, select, [contenteditable], dialog, [role=dialog]')) return true;
  if (ARROWS.has(event.key) && target.closest('[role=grid], [role=slider], [role=listbox], [role=tablist]'))
    return true;
  return event.key === ' ' && target.closest('button, a, summary, [role=button]') != null;
}
