import type { Bookmark } from '../replay/bookmarks';
import type { Replay } from '../replay/replay.svelte';

export type Manner = 'still' | 'playing';

/** How often it is looked whether the moment is shown, milliseconds. */
const LOOK = 100;

/** Goes from bookmark to bookmark: to each of them, where it stays for a while, or plays from there. */
export class StoryPlayer {
  /** The bookmark that is told; null: none is. */
  current = $state.raw<string | null>(null);
  telling = $state.raw(false);
  manner = $state.raw<Manner>('still');
  /** How long it stays at each, seconds. */
  seconds = $state.raw(8);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly replay: Replay) {}

  /** Tell the story from a bookmark on; without one, from the beginning. */
  start(from: string | null = null): void {
    const first = this.replay.bookmarks.find((one) => one.id === from) ?? this.replay.bookmarks[0];
    if (!first) return;
    this.telling = true;
    this.#tell(first);
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (this.telling) this.replay.pause();
    this.telling = false;
  }

  /** Go to a bookmark and stay there. */
  show(bookmark: Bookmark): void {
    this.stop();
    this.#goTo(bookmark);
  }

  /** Go to the next bookmark, or the one before; telling goes on from there. */
  move(by: 1 | -1): void {
    const at = this.replay.bookmarks.findIndex((one) => one.id === this.current);
    const next = this.replay.bookmarks[at < 0 ? 0 : at + by];
    if (!next) return;
    if (this.telling) this.#tell(next);
    else this.show(next);
  }

  #goTo(bookmark: Bookmark): void {
    this.current = bookmark.id;
    this.replay.pause();
    this.replay.seek(bookmark.at);
  }

  #tell(bookmark: Bookmark): void {
    clearTimeout(this.#timer);
    this.#goTo(bookmark);
    this.#await();
  }

  /** Time counts from when the moment is shown. */
  #await(): void {
    if (!this.replay.arrived) {
      this.#timer = setTimeout(() => this.#await(), LOOK);
      return;
    }
    if (this.manner === 'playing') {
      if (this.replay.direction < 0) this.replay.reverse();
      this.replay.play();
    }
    this.#timer = setTimeout(() => this.#goOn(), this.seconds * 1000);
  }

  #goOn(): void {
    const { bookmarks } = this.replay;
    const next = bookmarks[bookmarks.findIndex((one) => one.id === this.current) + 1];
    if (next) this.#tell(next);
    else this.stop();
  }
}
