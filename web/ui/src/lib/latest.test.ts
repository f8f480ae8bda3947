import { describe, expect, it } from 'vitest';
import { Latest } from './latest';

describe('work that is asked for again and again', () => {
  it('is done once more for all who asked meanwhile, and never twice at a time', async () => {
    let [running, most, runs] = [0, 0, 0];
    const latest = new Latest(async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      runs++;
      running--;
    });
    await Promise.all([latest.run(), latest.run(), latest.run()]);
    expect([most, runs]).toEqual([1, 2]);
    await latest.run();
    expect(runs).toBe(3);
  });

  it('is done again after it has failed', async () => {
    let fails = true;
    const latest = new Latest(async () => {
      if (fails) throw new Error('no');
    });
    await expect(latest.run()).rejects.toThrow('no');
    fails = false;
    await latest.run();
  });
});
