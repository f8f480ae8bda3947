import { bench, describe } from 'vitest';
import type { Change } from '../src/lib/fold/types';
import { Stretch } from '../src/lib/fold/stretch';
import { World } from '../src/lib/fold/world';

/** The reach: so many entities, each changed so often within the window. */
const [ENTITIES, CHANGES] = [100_000, 10];
const START = 1_795_600_000_000_000;
const STEP = 100;

function change(n: number): Change {
  const id = String(n % ENTITIES);
  const state = { id, lon: 100 + (n % 800) / 100, lat: (n % 700) / 100, heading: n % 360, status: `s${n % 5}` };
  return { table: 'sea.vessel', id, op: n < 0 ? 'c' : 'u', at: START + n * STEP, state, bytes: 100 };
}

const world = new World();
const begun = performance.now();
const base = world.base(Array.from({ length: ENTITIES }, (_, n) => world.add({ ...change(n), at: START })));
const stretch = new Stretch(world.versions, START, base);
const size = ENTITIES * CHANGES;
for (let n = 1; n <= size; n += 10_000) {
  const added = Array.from({ length: 10_000 }, (_, index) => world.add(change(n + index)));
  stretch.append(added, START + (n + 10_000) * STEP);
}
console.log(`folded ${size} changes of ${ENTITIES} entities in ${Math.round(performance.now() - begun)} ms`);

let seed = 1;
function anywhere(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return START + Math.floor((seed / 2_147_483_647) * size) * STEP;
}

describe(`${ENTITIES} entities, ${CHANGES} changes each`, () => {
  bench('seek anywhere, with its frame', () => {
    world.goTo(stretch, anywhere());
    world.frame([]);
  });
  let at = START;
  bench('play on by 1000 changes, with its frame', () => {
    at = at + 1_000 * STEP > START + size * STEP ? START : at + 1_000 * STEP;
    world.goTo(stretch, at);
    world.frame([]);
  });
  bench('play back by 1000 changes, with its frame', () => {
    at = at - 1_000 * STEP < START ? START + size * STEP : at - 1_000 * STEP;
    world.goTo(stretch, at);
    world.frame([]);
  });
});
