import type { Replay } from '../replay/replay.svelte';
import type { Frame, Trail } from '../worker/protocol';
import type { Line, Scene } from './overlay';
import { inView, type View } from './view';

/** No more names than these at once. */
export const MOST_LABELS = 200;
/** No more trails than these at once; with more only the selected entity's. */
const MOST_TRAILS = 50;
/** Names and trails are asked for so often at most, milliseconds. */
const EVERY = 400;

/** What is known about entities besides where they are: names and trails, asked for by the handful. */
export class Details {
  labels = $state.raw<ReadonlyMap<number, string>>(new Map());
  trails = $state.raw<readonly Trail[]>([]);
  readonly #replay: Replay;
  #askedAt = -Infinity;
  #later: ReturnType<typeof setTimeout> | null = null;

  constructor(replay: Replay) {
    this.#replay = replay;
  }

  /** Ask for what this view shows, soon. */
  want(view: View, pointed: number, trail: number): void {
    if (this.#later) clearTimeout(this.#later);
    const wait = Math.max(0, this.#askedAt + EVERY - performance.now());
    this.#later = setTimeout(() => void this.#ask(view, pointed, trail), wait);
  }

  close(): void {
    if (this.#later) clearTimeout(this.#later);
  }

  async #ask(view: View, pointed: number, trail: number): Promise<void> {
    this.#askedAt = performance.now();
    const { frame, selected, engine } = this.#replay;
    const seen = inView(frame, view, MOST_LABELS) ?? [];
    const own = selected ? [selected.slot] : [];
    const slots = new Set([...seen.map((index) => frame.slots[index]!), ...own]);
    if (pointed >= 0 && pointed < frame.slots.length) slots.add(frame.slots[pointed]!);
    const named = Uint32Array.from(slots);
    const trailed = Uint32Array.from(frame.slots.length <= MOST_TRAILS ? frame.slots : own);
    try {
      const names = await engine.call('labels', named);
      this.labels = new Map(names.map((name, index) => [named[index]!, name]));
      const window = { start: frame.at - trail, end: frame.at };
      this.trails = trail > 0 && trailed.length > 0 ? await engine.call('trails', trailed, window) : [];
    } catch {
      // names and trails are asked for again with the next frame
    }
  }
}

/** Where a slot stands in a frame; -1: it has no position. */
export function indexOf(frame: Frame, slot: number | undefined): number {
  return slot === undefined ? -1 : frame.slots.indexOf(slot);
}

/** What is drawn: the frame, with what is known about its entities. */
export function sceneOf(
  frame: Frame,
  details: Pick<Details, 'labels' | 'trails'>,
  selected: number,
  hovered: number,
  ghosts: Scene['ghosts'],
): Omit<Scene, 'clusters'> {
  const indices = new Map<number, number>();
  const few = details.labels.size + details.trails.length > 0;
  if (few) frame.slots.forEach((slot, index) => indices.set(slot, index));
  const labels = new Map<number, string>();
  for (const [slot, name] of details.labels) {
    const index = indices.get(slot);
    if (index !== undefined) labels.set(index, name);
  }
  const lines = details.trails.flatMap(({ slot, x, y }): Line[] => {
    const end = indices.get(slot);
    return end === undefined || x.length === 0 ? [] : [{ x, y, end, group: frame.group[end]! }];
  });
  return { points: frame, labels, lines, selected, hovered, ghosts };
}
