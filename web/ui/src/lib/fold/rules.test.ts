import { describe, expect, it } from 'vitest';
import { World } from './world';

const NOWHERE = { position: null, heading: null, label: null };

function worldOf(rows: number): World {
  const world = new World();
  for (let n = 0; n < rows; n++) {
    const state = { id: n, lon: 103 + n / 100, lat: 1 };
    world.add({ table: 'sea.vessel', id: String(n), op: 'c', at: n, state, bytes: 10 });
  }
  return world;
}

describe('where the rows of a table are', () => {
  it.each([1, 100])('is as one says, and as is detected once nothing is said of it any more: %d rows', (rows) => {
    const world = worldOf(rows);
    const places = (): number[] => [...world.versions.x.slice(0, rows)];
    const detected = places();
    expect(detected.every((x) => x > 0)).toBe(true);
    world.setRules({ 'sea.vessel': NOWHERE });
    expect(places()).toEqual(Array(rows).fill(NaN));
    world.setRules({});
    expect(world.rules.get('sea.vessel')?.position).toEqual({ kind: 'pair', lon: 'lon', lat: 'lat' });
    expect(places()).toEqual(detected);
  });

  it('is detected of what comes later, too, if nothing is there', () => {
    const world = worldOf(0);
    world.setRules({ 'sea.vessel': NOWHERE });
    world.setRules({});
    world.add({ table: 'sea.vessel', id: '1', op: 'c', at: 1, state: { lon: 103, lat: 1 }, bytes: 10 });
    expect(world.versions.x[0]).toBeGreaterThan(0);
  });
});
