import type { Instant } from '../instants';
import type { Direction, Slot } from './types';
import { NONE, type Version, type Versions } from './versions';

/** Which version each slot holds; slots beyond its length hold none. */
export type Standing = Int32Array;

/** Changes in a row, in order, and how the world stood before the first of them. */
interface Chunk {
  readonly versions: Int32Array;
  readonly keyframe: Standing;
}

/** A chunk has at least so many changes before another one begins. */
const LEAST = 4096;

/**
 * The past from one instant to another without a gap: what was at its start, and every change after that. Changes of
 * one instant are never parted, so that whole chunks can be let go of at either end.
 */
export class Stretch {
  #chunks: Chunk[] = [];
  #tip: Standing;
  #tail: Version[] = [];
  #tailKeyframe: Standing;

  /**
   * @param start the instant of the state that it begins with
   * @param base the versions of that state
   * @param least how many changes a chunk has at least
   */
  constructor(
    readonly versions: Versions,
    public start: Instant,
    base: Standing,
    private readonly least = LEAST,
  ) {
    this.#end = start;
    this.#tip = base.slice();
    this.#tailKeyframe = base;
  }

  #end: Instant;

  /** Up to and with this instant everything is known. */
  get end(): Instant {
    return this.#end;
  }

  /** How many changes it holds. */
  get size(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.versions.length, this.#tail.length);
  }

  /** Bytes of what it needs beside the versions. */
  get bytes(): number {
    return this.#all().reduce((sum, chunk) => sum + 4 * (chunk.keyframe.length + chunk.versions.length), 0);
  }

  holds(at: Instant): boolean {
    return at >= this.start && at <= this.#end;
  }

  /** Add what changed after its end and up to another instant, in order. */
  append(added: readonly Version[], end: Instant): void {
    const { at, slot, previous } = this.versions;
    for (const version of added) {
      const enough = Math.max(this.least, this.least < LEAST ? 0 : this.#tip.length >> 2);
      const last = this.#tail.at(-1);
      if (last !== undefined && this.#tail.length >= enough && at[last] !== at[version]) this.#seal();
      const place = slot[version]!;
      if (place >= this.#tip.length) this.#tip = lengthened(this.#tip, place);
      previous[version] = this.#tip[place]!;
      this.#tip[place] = version;
      this.#tail.push(version);
    }
    this.#end = Math.max(end, this.#end);
  }

  /** Go on with another stretch that starts where this one ends; that one is used up. */
  join(next: Stretch): void {
    if (next.start !== this.#end) throw new RangeError('there is a gap between the two');
    this.#seal();
    const { previous, slot } = this.versions;
    const after = next.#all();
    const base = after[0]!.keyframe;
    const ours = this.#tip;
    for (const chunk of after) {
      for (const version of chunk.versions) {
        const place = slot[version]!;
        const before = previous[version]!;
        if (before === (base[place] ?? NONE)) previous[version] = ours[place] ?? NONE;
      }
    }
    const same = (standing: Standing): Standing => {
      const moved = new Int32Array(Math.max(standing.length, ours.length)).fill(NONE);
      for (let place = 0; place < moved.length; place++) {
        const theirs = standing[place] ?? NONE;
        moved[place] = theirs === (base[place] ?? NONE) ? (ours[place] ?? NONE) : theirs;
      }
      return moved;
    };
    const chunks = after
      .filter((chunk) => chunk.versions.length > 0)
      .map(({ versions, keyframe }) => ({ versions, keyframe: same(keyframe) }));
    const tip = same(next.#tip);
    for (const version of base) if (version !== NONE) this.versions.free(version);
    this.#chunks.push(...chunks);
    this.#tip = tip;
    this.#tailKeyframe = tip.slice();
    this.#end = next.#end;
  }

  /** How the world stood at an instant, from the nearest keyframe; into an array that is long enough. */
  standAt(at: Instant, into: Standing): void {
    const chunks = this.#all();
    const index = this.#chunkOf(chunks, at);
    const { keyframe, versions } = chunks[index]!;
    const count = this.#countUntil(versions, at);
    const next = chunks[index + 1]?.keyframe ?? this.#tip;
    if (count <= versions.length / 2) {
      put(keyframe, into);
      for (let step = 0; step < count; step++) into[this.versions.slot[versions[step]!]!] = versions[step]!;
    } else {
      put(next, into);
      for (let step = versions.length - 1; step >= count; step--) {
        into[this.versions.slot[versions[step]!]!] = this.versions.previous[versions[step]!]!;
      }
    }
  }

  /** Move a world that stands at one instant to another: change by change if that is less work, or from a keyframe. */
  move(standing: Standing, from: Instant, to: Instant): void {
    const chunks = this.#all();
    const [first, last] = [this.#chunkOf(chunks, from), this.#chunkOf(chunks, to)];
    if (Math.abs(first - last) > 1) return this.standAt(to, standing);
    const { slot, previous } = this.versions;
    if (to >= from) {
      for (let index = first; index <= last; index++) {
        const { versions } = chunks[index]!;
        const end = index === last ? this.#countUntil(versions, to) : versions.length;
        const begin = index === first ? this.#countUntil(versions, from) : 0;
        for (let step = begin; step < end; step++) standing[slot[versions[step]!]!] = versions[step]!;
      }
      return;
    }
    for (let index = first; index >= last; index--) {
      const { versions } = chunks[index]!;
      const end = index === first ? this.#countUntil(versions, from) : versions.length;
      const begin = index === last ? this.#countUntil(versions, to) : 0;
      for (let step = end - 1; step >= begin; step--) standing[slot[versions[step]!]!] = previous[versions[step]!]!;
    }
  }

  /** The next instant in a direction at which something (of one slot) changes; null: not in here. */
  nextChange(from: Instant, direction: Direction, only: Slot | null): Instant | null {
    const { at, slot } = this.versions;
    const chunks = this.#all();
    for (let index = this.#chunkOf(chunks, from); index >= 0 && index < chunks.length; index += direction) {
      const { versions } = chunks[index]!;
      const begin = direction > 0 ? this.#countUntil(versions, from) : this.#countUntil(versions, from - 1) - 1;
      for (let step = begin; step >= 0 && step < versions.length; step += direction) {
        if (only === null || slot[versions[step]!] === only) return at[versions[step]!]!;
      }
    }
    return null;
  }

  /** Let go of its first changes, unless they are needed at an instant; whether there were any to let go of. */
  trimStart(keep: Instant): boolean {
    this.#seal();
    const [first, second] = this.#chunks;
    if (!first || !second || keep < this.versions.at[second.versions[0]!]!) return false;
    const { previous, at } = this.versions;
    for (const version of first.versions) {
      const before = previous[version]!;
      if (before !== NONE) this.versions.free(before);
      previous[version] = NONE;
    }
    this.#chunks.shift();
    this.start = at[second.versions[0]!]! - 1;
    return true;
  }

  /** Let go of its last changes, unless they are needed at an instant. */
  trimEnd(keep: Instant): boolean {
    this.#seal();
    const last = this.#chunks.at(-1);
    const begin = last && this.versions.at[last.versions[0]!]! - 1;
    if (!last || begin === undefined || this.#chunks.length < 2 || keep > begin) return false;
    for (const version of last.versions) this.versions.free(version);
    this.#chunks.pop();
    this.#tip = last.keyframe;
    this.#tailKeyframe = this.#tip.slice();
    this.#end = begin;
    return true;
  }

  /** Let go of all of it. */
  clear(): void {
    const chunks = this.#all();
    for (const version of chunks[0]!.keyframe) if (version !== NONE) this.versions.free(version);
    for (const { versions } of chunks) for (const version of versions) this.versions.free(version);
    this.#chunks = [];
    this.#tail = [];
  }

  #all(): Chunk[] {
    if (this.#tail.length === 0 && this.#chunks.length > 0) return this.#chunks;
    this.#tailArray = this.#tailArray?.length === this.#tail.length ? this.#tailArray : Int32Array.from(this.#tail);
    return [...this.#chunks, { versions: this.#tailArray, keyframe: this.#tailKeyframe }];
  }

  #tailArray: Int32Array | undefined;

  #seal(): void {
    if (this.#tail.length === 0) return;
    this.#chunks.push({ versions: Int32Array.from(this.#tail), keyframe: this.#tailKeyframe });
    this.#tail = [];
    this.#tailArray = undefined;
    this.#tailKeyframe = this.#tip.slice();
  }

  /** The last chunk that begins with a change not after the instant, or the first one. */
  #chunkOf(chunks: readonly Chunk[], instant: Instant): number {
    let [low, high] = [0, chunks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const first = chunks[middle]!.versions[0];
      if (first !== undefined && this.versions.at[first]! <= instant) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #countUntil(versions: Int32Array, instant: Instant): number {
    let [low, high] = [0, versions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.versions.at[versions[middle]!]! <= instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function put(from: Standing, into: Standing): void {
  into.set(from.length > into.length ? from.subarray(0, into.length) : from);
  if (from.length < into.length) into.fill(NONE, from.length);
}

/** As long as a slot needs it, and longer. */
export function lengthened(standing: Standing, slot: Slot): Standing {
  const longer = new Int32Array(Math.max(1024, 2 * slot)).fill(NONE);
  longer.set(standing);
  return longer;
}
