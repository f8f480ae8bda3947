import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MINUTE, SECOND, type Instant } from '../instants';
import { Buffer, type Place } from './buffer';
import { histories, type Model } from './model';
import { Stretch } from './stretch';
import type { Direction } from './types';
import { NONE } from './versions';
import { World } from './world';

const RANGE = { start: 1_000 * MINUTE, end: 1_010 * MINUTE };
/** Chunks of a few changes: their edges are met all the time. */
const FEW = 3;

function toNumbers(world: World): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (let slot = 0; slot < world.entities.size; slot++) {
    const version = world.standing[slot] ?? NONE;
    if (world.versions.lives(version)) found[world.entities.key(slot)] = world.versions.states[version]!['n'];
  }
  return found;
}

/** Fetches what the buffer needs, as the engine does, and lets go of what is too much. */
class Player {
  readonly world = new World();
  readonly buffer: Buffer;

  constructor(
    private readonly model: Model,
    budget: number,
  ) {
    this.buffer = new Buffer(this.world.versions, budget);
  }

  seek(place: Place): void {
    for (let turn = 0; turn < 3; turn++) {
      if (this.world.at === place.at && this.buffer.trim(place)) this.#restand();
      const need = this.buffer.need(place);
      if (need === null) break;
      const added = this.model.events(need.window).map((change) => this.world.add(change));
      if (need.kind === 'after') {
        need.stretch.append(added, need.window.end);
        this.buffer.put(need.stretch);
      } else {
        const base = this.world.base(this.model.state(need.window.start).map((row) => this.world.add(row)));
        const stretch = new Stretch(this.world.versions, need.window.start, base, FEW);
        stretch.append(added, need.window.end);
        this.buffer.put(stretch);
      }
      this.buffer.learn(added.length, need.window);
      this.#restand();
      this.#stand(place.at);
    }
    this.#stand(place.at);
  }

  #stand(at: Instant): void {
    const stretch = this.buffer.find(at);
    expect(stretch).toBeDefined();
    this.world.goTo(stretch!, at);
  }

  #restand(): void {
    if (this.world.at !== null) this.world.restand(this.buffer.find(this.world.at));
  }
}

const places = fc.record({
  at: fc.integer({ min: RANGE.start, max: RANGE.end }),
  direction: fc.constantFrom<Direction>(1, -1),
  speed: fc.constantFrom(0, 1, 60),
  range: fc.constant(RANGE),
});

describe('the world', () => {
  it('is what was recorded, after any seeks in any order, forwards and backwards, in any memory', () => {
    const budgets = fc.constantFrom(2_000, 10_000, 100_000_000);
    const seeks = fc.array(places, { minLength: 1, maxLength: 25 });
    fc.assert(
      fc.property(histories(RANGE), budgets, seeks, (model, budget, asked) => {
        const player = new Player(model, budget);
        for (const place of asked) {
          player.seek(place);
          expect(toNumbers(player.world)).toEqual(model.numbers(place.at));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('knows the next change of everything and of one entity, within what is held', () => {
    fc.assert(
      fc.property(histories(RANGE), fc.array(places, { minLength: 1, maxLength: 10 }), (model, asked) => {
        const player = new Player(model, 100_000_000);
        for (const place of asked) {
          player.seek(place);
          const stretch = player.buffer.find(place.at)!;
          for (const key of [null, 'air.flight:1']) {
            const slot = key === null ? null : player.world.entities.find(key);
            if (slot === undefined) continue;
            const next = model.next(place.at, place.direction, key);
            const held = next !== null && next > stretch.start && next <= stretch.end ? next : null;
            expect(stretch.nextChange(place.at, place.direction, slot)).toBe(held);
          }
        }
      }),
    );
  });

  it('stays within its memory while it is played from one end to the other and back', () => {
    const budget = 60_000;
    fc.assert(
      fc.property(histories(RANGE, 2_000), (model) => {
        const player = new Player(model, budget);
        const step = 2 * SECOND;
        for (let at = RANGE.start; at <= RANGE.end; at += step)
          player.seek({ at, direction: 1, speed: 10, range: RANGE });
        const there = player.buffer.bytes;
        for (let at = RANGE.end; at >= RANGE.start; at -= step) {
          player.seek({ at, direction: -1, speed: 10, range: RANGE });
        }
        // one segment may be more than there was room for, and keyframes have at least 4 kB each
        expect(Math.max(there, player.buffer.bytes)).toBeLessThan(budget * 2);
        expect(toNumbers(player.world)).toEqual(model.numbers(RANGE.start));
      }),
      { numRuns: 5 },
    );
  });

  it('frees every version that it no longer holds', () => {
    fc.assert(
      fc.property(histories(RANGE), fc.array(places, { minLength: 1, maxLength: 15 }), (model, asked) => {
        const player = new Player(model, 5_000);
        for (const place of asked) player.seek(place);
        player.buffer.clear();
        expect(player.world.versions.bytes).toBe(0);
      }),
    );
  });
});

describe('a frame', () => {
  it('tells of a change also where a version has the number of one that was let go of', () => {
    const world = new World();
    const at = (n: number): Stretch => {
      const version = world.add({ table: 's.t', id: '1', op: 'u', at: n, state: { n }, bytes: 10 });
      expect(version).toBe(0);
      return new Stretch(world.versions, n, world.base([version]));
    };
    const first = at(1);
    world.goTo(first, 1);
    world.frame([]);
    first.clear();
    world.goTo(at(2), 2);
    expect([...world.frame([]).changed]).toEqual([0]);
  });

  it('has each entity with a position once, and what changed since the one before', () => {
    fc.assert(
      fc.property(histories(RANGE), places, places, (model, one, other) => {
        const player = new Player(model, 100_000_000);
        player.seek(one);
        player.world.frame([]);
        player.seek(other);
        const frame = player.world.frame([]);
        const keys = [...frame.slots].map((slot) => player.world.entities.key(slot));
        expect(keys.sort()).toEqual(Object.keys(model.numbers(other.at)).sort());
        const [before, after] = [model.numbers(one.at), model.numbers(other.at)];
        const differ = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
          (key) => before[key] !== after[key],
        );
        expect([...frame.changed].map((slot) => player.world.entities.key(slot))).toEqual(
          expect.arrayContaining(differ),
        );
      }),
    );
  });
});
