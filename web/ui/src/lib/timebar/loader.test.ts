import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DAY, HOUR, MINUTE, render, SECOND } from '../instants';
import { CLIP, CountingServer, RANGE, START } from './given';
import { ActivityLoader } from './loader.svelte';

const WIDE = { ...RANGE, width: 1000 };
let server: CountingServer;
let loader: ActivityLoader;
beforeEach(() => {
  vi.useFakeTimers();
  server = new CountingServer();
  loader = new ActivityLoader(server.client);
});
afterEach(() => {
  loader.close();
  vi.useRealTimers();
});
const quiet = (): Promise<unknown> => vi.advanceTimersByTimeAsync(300);
const activity = (): number => server.of('/replay/activity').length;

describe('the activity of a time bar', () => {
  it('is asked for when the view stands still, and has what the server counts', async () => {
    for (let x = 0; x < 5; x++) loader.want({ ...WIDE, start: START + x }, RANGE, 7 * DAY);
    expect(activity()).toBe(0);
    await quiet();
    expect(activity()).toBe(1);
    expect(loader.bars.map((bar) => bar.total)).toEqual(Array(60).fill(1));
  });

  it('is asked for in the end, even if the view never stands still', async () => {
    for (let x = 0; x < 30; x++) {
      loader.want({ ...WIDE, start: START + x }, RANGE, 7 * DAY);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(activity()).toBeGreaterThan(0);
  });

  it('is not asked for again in a view that was seen, nor beside it', async () => {
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    loader.want({ start: START + 10 * MINUTE, end: START + 50 * MINUTE, width: 1000 }, RANGE, 7 * DAY);
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    expect(activity()).toBe(1);
    expect(server.of('/replay/coverage').length).toBe(1);
  });

  it('is asked for anew once more of it is settled', async () => {
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    const later = { start: START, end: RANGE.end + MINUTE };
    loader.want({ ...later, width: 1000 }, later, 7 * DAY);
    await quiet();
    expect(activity()).toBe(2);
    expect(loader.bars.length).toBe(61);
  });

  it('asks for no more than what is recorded, and for no longer windows than the server answers', async () => {
    const month = { start: START - 29 * DAY, end: START + DAY };
    loader.want({ ...month, end: month.end + 5 * SECOND, width: 1200 }, month, 7 * DAY);
    await quiet();
    const asked = server.of('/replay/activity').map(({ start, end }) => [Date.parse(`${start}`), Date.parse(`${end}`)]);
    expect(asked[0]![0]! * 1000).toBe(month.start);
    expect(asked.at(-1)![1]! * 1000).toBe(month.end);
    for (const [start, end] of asked) expect(end! - start!).toBeLessThanOrEqual((7 * DAY) / 1000);
  });

  it('asks for as many buckets as the stretch touches, so that none is longer than a bar', async () => {
    const range = { start: START + 30 * SECOND, end: START + 5 * MINUTE + 20 * SECOND };
    loader.want({ ...range, width: 1000 }, range, 7 * DAY);
    await quiet();
    expect(server.of('/replay/activity').map(({ buckets }) => buckets)).toEqual([6]);
  });

  it('is that of a clip while one is replayed, and nothing of the recording is taken for it', async () => {
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    const clip = { ...CLIP, width: 1000 };
    loader.want(clip, CLIP, 10 * MINUTE, 'c1');
    expect(loader.bars).toEqual([]);
    await quiet();
    expect(server.of('/replay/activity').map(({ source }) => source)).toEqual([undefined, 'clip:c1']);
    expect(server.of('/replay/activity').at(-1)).toMatchObject({ start: render(CLIP.start), end: render(CLIP.end) });
    expect(server.of('/replay/coverage')).toHaveLength(1); // it was not recorded: no gap is its own
    expect(loader.bars).toHaveLength(10);
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    expect(activity()).toBe(3);
    expect(loader.bars).toHaveLength(60);
  });

  it('of a world that was left is thrown away when it comes late', async () => {
    const late = server.hold();
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    loader.want({ ...CLIP, width: 1000 }, CLIP, 10 * MINUTE, 'c1');
    await quiet();
    late();
    await quiet();
    expect(loader.bars).toHaveLength(10);
    expect(loader.error).toBeNull();
  });

  it('shows what it had while closer counts are on their way, and the words of a server that refuses', async () => {
    loader.want(WIDE, RANGE, 7 * DAY);
    await quiet();
    server.failure = { status: 429, body: { errorCode: 'TOO_MANY', errorMessage: 'as much under way as may be' } };
    loader.want({ start: START - 10 * HOUR, end: RANGE.end, width: 1000 }, { ...RANGE, start: START - 10 * HOUR }, DAY);
    await quiet();
    expect(loader.bars.length).toBe(60);
    expect(loader.error).toMatchObject({ message: 'as much under way as may be', correlationId: 'c-1' });
    expect(loader.loading).toBe(false);
  });
});
