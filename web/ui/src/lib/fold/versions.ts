import type { Instant } from '../instants';
import type { Op, Slot, State } from './types';

/** The number of a version in `Versions`; -1: none. */
export type Version = number;

export const NONE: Version = -1;
const OPS: readonly Op[] = ['c', 'r', 'u', 'd'];

/** Bytes that a version takes beside its state. */
const OWN_BYTES = 60;
/** What a decoded state takes for each byte of its line. */
const PER_BYTE = 1.6;

/** What entities were, one version for each change, column by column; a version that was freed is used again. */
export class Versions {
  /** All of them, as far as they were ever used. */
  size = 0;
  /** What those in use are taken to weigh. */
  bytes = 0;
  at = new Float64Array(1024);
  slot = new Int32Array(1024);
  /** Its own among all that there ever were, from 1: a version's number may be that of another one before it. */
  serial = new Uint32Array(1024);
  /** What the entity was before; `NONE`: it is not known, or there was nothing. */
  previous = new Int32Array(1024);
  /** Web mercator; NaN: no position. */
  x = new Float64Array(1024);
  y = new Float64Array(1024);
  heading = new Float32Array(1024);
  /** null: the entity is gone. */
  readonly states: (State | null)[] = [];
  #op = new Uint8Array(1024);
  #weight = new Int32Array(1024);
  readonly #free: Version[] = [];
  #serials = 0;

  add(slot: Slot, op: Op, at: Instant, state: State | null, lineBytes: number): Version {
    const version = this.#free.pop() ?? this.#grow();
    this.slot[version] = slot;
    this.serial[version] = ++this.#serials;
    this.at[version] = at;
    this.previous[version] = NONE;
    this.states[version] = state;
    this.#op[version] = OPS.indexOf(op);
    this.#weight[version] = OWN_BYTES + (state === null ? 0 : Math.round(lineBytes * PER_BYTE));
    this.bytes += this.#weight[version]!;
    return version;
  }

  free(version: Version): void {
    this.bytes -= this.#weight[version]!;
    this.#weight[version] = 0;
    this.slot[version] = NONE;
    this.states[version] = null;
    this.#free.push(version);
  }

  op(version: Version): Op {
    return OPS[this.#op[version]!]!;
  }

  weight(version: Version): number {
    return this.#weight[version]!;
  }

  /** Whether an entity is there in this version. */
  lives(version: Version): boolean {
    return version !== NONE && this.states[version] !== null;
  }

  #grow(): Version {
    if (this.size === this.at.length) {
      const size = 2 * this.size;
      this.at = grown(this.at, new Float64Array(size));
      this.x = grown(this.x, new Float64Array(size));
      this.y = grown(this.y, new Float64Array(size));
      this.heading = grown(this.heading, new Float32Array(size));
      this.slot = grown(this.slot, new Int32Array(size));
      this.serial = grown(this.serial, new Uint32Array(size));
      this.previous = grown(this.previous, new Int32Array(size));
      this.#op = grown(this.#op, new Uint8Array(size));
      this.#weight = grown(this.#weight, new Int32Array(size));
    }
    return this.size++;
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
