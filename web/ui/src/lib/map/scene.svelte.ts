import type { Replay } from '../replay/replay.svelte';
import type { Frame, Trail } from '../worker/protocol';
import type { Line, Scene } from './overlay';
import { inView, type View } from './view';

/** No more names than these at once. */
export const MOST_LABELS = 200;
/** No more trails than these at once; where more are in view only the selected entity's. */
const MOST_TRAILS = 50;
/** Names and trails are asked for so often at most, milliseconds. */
const EVERY = 400;
/** What could not be told is asked for again after so long, milliseconds: who stands still has no next frame. */
const AGAIN = 3_000;

/** What a view wants to know. */
interface Wanted {
  readonly view: View;
  /** Indices of those that are listed beside the map. */
  readonly listed: readonly number[];
  /** The index that is pointed at; -1: none. */
  readonly pointed: number;
  /** How far back trails go, microseconds. */
  readonly trail: number;
}

/** What is known about entities besides where they are: names and trails, asked for by the handful. */
export class Details {
  /** Those on the map, by slot. */
  labels = $state.raw<ReadonlyMap<number, string>>(new Map());
  /** Those listed beside it, by slot. */
  names = $state.raw<ReadonlyMap<number, string>>(new Map());
  trails = $state.raw<readonly Trail[]>([]);
  readonly #replay: Pick<Replay, 'frame' | 'selected' | 'engine'>;
  #askedAt = -Infinity;
  #asked = 0;
  #told = 0;
  #later: ReturnType<typeof setTimeout> | null = null;

  constructor(replay: Pick<Replay, 'frame' | 'selected' | 'engine'>) {
    this.#replay = replay;
  }

  /** Ask for what this view shows and what is listed, soon. */
  want(wanted: Wanted): void {
    this.#askIn(Math.max(0, this.#askedAt + EVERY - performance.now()), wanted);
  }

  #askIn(wait: number, wanted: Wanted): void {
    if (this.#later) clearTimeout(this.#later);
    const asking = (this.#later = setTimeout(() => {
      void this.#ask(wanted).then((isWhole) => {
        if (!isWhole && this.#later === asking) this.#askIn(AGAIN, wanted);
      });
    }, wait));
  }

  close(): void {
    if (this.#later) clearTimeout(this.#later);
    this.#later = null;
  }

  /** Whether all of it was told. */
  async #ask({ view, listed, pointed, trail }: Wanted): Promise<boolean> {
    this.#askedAt = performance.now();
    const { frame, selected, engine } = this.#replay;
    const seen = inView(frame, view, MOST_LABELS) ?? [];
    const own = selected ? [selected.slot] : [];
    const slots = new Set([...seen.map((index) => frame.slots[index]!), ...own]);
    if (pointed >= 0 && pointed < frame.slots.length) slots.add(frame.slots[pointed]!);
    const list = listed.filter((index) => index < frame.slots.length).map((index) => frame.slots[index]!);
    const named = Uint32Array.from([...slots, ...list]);
    const near = (inView(frame, view, MOST_TRAILS) ?? []).map((index) => frame.slots[index]!);
    const trailed = Uint32Array.from(new Set([...near, ...own]));
    const run = ++this.#asked;
    try {
      const names = await engine.call('labels', named);
      const pairs = names.map((name, index) => [named[index]!, name] as const);
      this.labels = new Map(pairs.slice(0, slots.size));
      this.names = new Map(pairs.slice(slots.size));
      const window = { start: frame.at - trail, end: frame.at };
      const trails = trail > 0 && trailed.length > 0 ? await engine.call('trails', trailed, window) : [];
      if (run < this.#told) return true; // what was asked later was answered before
      [this.#told, this.trails] = [run, trails];
      return trails.every(({ whole }) => whole);
    } catch {
      return false;
    }
  }
}

/** Where a slot stands in a frame; -1: it has no position. */
export function indexOf({ slots }: Pick<Frame, 'slots'>, slot: number | undefined): number {
  if (slot === undefined) return -1;
  let [low, high] = [0, slots.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (slots[middle]! < slot) low = middle + 1;
    else high = middle;
  }
  return slots[low] === slot ? low : -1;
}

/** What is drawn: the frame, with what is known about its entities. */
export function sceneOf(
  frame: Frame,
  details: Pick<Details, 'labels' | 'trails'>,
  selected: number,
  hovered: number,
  ghosts: Scene['ghosts'],
): Omit<Scene, 'clusters'> {
  const labels = new Map<number, string>();
  for (const [slot, name] of details.labels) {
    const index = indexOf(frame, slot);
    if (index >= 0) labels.set(index, name);
  }
  const lines = details.trails.flatMap(({ slot, x, y }): Line[] => {
    const end = indexOf(frame, slot);
    return end < 0 || x.length === 0 ? [] : [{ x, y, end, group: frame.group[end]! }];
  });
  return { points: frame, labels, lines, selected, hovered, ghosts };
}
