import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import { MINUTE, SECOND, type Instant } from '../instants';
import type { EnginePort } from '../worker/port';
import type { Wish } from '../worker/protocol';
import type { Ticker } from './clock';
import { FASTEST, Playhead, SLOWEST } from './playhead.svelte';

const [START, END] = [100 * MINUTE, 110 * MINUTE];

/** Time that goes on when it is told to, and an engine that shows what is wished for, unless it is behind. */
class Scene extends Playhead {
  readonly wishes: Wish[] = [];
  now = 0;
  behind = false;
  next: Instant | null = null;
  #tick: () => void = () => undefined;
  /** How long it is until a tick comes, milliseconds. */
  every = 0;

  constructor() {
    const engine = {
      show: (wish: Wish) => {
        this.wishes.push(wish);
        if (!this.behind) this.grant(wish.number);
      },
      call: async () => this.next,
    };
    const ticker: Ticker = {
      now: () => this.now,
      start: (tick, every) => {
        [this.#tick, this.every] = [tick, every];
        return () => undefined;
      },
    };
    super(engine as unknown as EnginePort, ticker);
    this.range = { start: START, end: END };
    this.run();
  }

  /** The engine has come after the playhead. */
  caughtUp(): void {
    this.behind = false;
    this.grant(this.wishes.at(-1)!.number);
  }

  pass(milliseconds: number, steps = 1): void {
    for (let step = 0; step < steps; step++) {
      flushSync();
      this.now += milliseconds / steps;
      this.#tick();
    }
  }
}

describe('the playhead', () => {
  let scene: Scene;
  beforeEach(() => {
    scene = new Scene();
    scene.seek(START + MINUTE);
  });

  it('is moved twenty times a second while it plays or follows, and looked at now and then while it stands', () => {
    const doings: [() => void, number][] = [
      [() => scene.play(), 50],
      [() => scene.pause(), 250],
      [() => scene.follow(), 50],
      [() => scene.seek(START), 250],
    ];
    for (const [act, every] of doings) {
      act();
      scene.pass(1);
      expect(scene.every).toBe(every);
    }
  });

  it('loses no time when ticks come late, as they do while the page is not seen', () => {
    scene.play();
    for (const late of [50, 63, 1_000, 37, 50]) scene.pass(late);
    expect(scene.playhead).toBe(START + MINUTE + 1_200_000);
  });

  it('goes on by the time that passes, as fast as it was told, in both directions', () => {
    scene.play();
    scene.pass(1000, 10);
    expect(scene.playhead).toBe(START + MINUTE + SECOND);
    scene.setSpeed(10);
    scene.pass(1000, 10);
    expect(scene.playhead).toBe(START + MINUTE + 11 * SECOND);
    scene.reverse();
    scene.pass(2000, 10);
    expect(scene.playhead).toBe(START + MINUTE - 9 * SECOND);
    scene.pause();
    scene.pass(1000);
    expect(scene.playhead).toBe(START + MINUTE - 9 * SECOND);
  });

  it('shows what was at the moment at which it is stopped, not at that of the last picture', () => {
    for (const [go, stop] of [
      [() => scene.play(), () => scene.pause()],
      [() => scene.play(), () => scene.toggle()],
      [() => scene.follow(), () => scene.toggle()],
    ] as const) {
      go();
      scene.pass(250, 5);
      stop();
      expect(scene.wishes.at(-1)).toMatchObject({ at: scene.playhead, speed: 0 });
    }
    const asked = scene.wishes.length;
    scene.pause();
    expect(scene.wishes.length).toBe(asked);
  });

  it('keeps its speed within what there is, and itself within the range', () => {
    scene.setSpeed(1e9);
    expect(scene.speed).toBe(FASTEST);
    scene.setSpeed(0);
    expect(scene.speed).toBe(SLOWEST);
    scene.seek(0);
    expect(scene.playhead).toBe(START);
    scene.seek(END + MINUTE);
    expect(scene.playhead).toBe(END);
    expect(scene.wishes.at(-1)).toMatchObject({ at: END, speed: 0 });
  });

  it('follows what is recorded when it has come to the end, and stays there', () => {
    scene.seek(END - SECOND);
    scene.play();
    scene.pass(3000, 30);
    expect([scene.playhead, scene.playing, scene.following]).toEqual([END, false, true]);
    scene.range = { start: START, end: END + MINUTE };
    scene.pass(100);
    expect(scene.playhead).toBe(END + MINUTE);
    scene.seek(START);
    expect(scene.following).toBe(false);
  });

  it('begins anew when it plays from the end, and from the other side backwards', () => {
    scene.seek(END);
    scene.play();
    expect(scene.playhead).toBe(START);
    scene.reverse();
    scene.pause();
    scene.play();
    expect(scene.playhead).toBe(END);
  });

  it('plays a window again and again', () => {
    scene.loop({ start: START + 3 * MINUTE, end: START + 2 * MINUTE }); // either way round
    expect(scene.playhead).toBe(START + 2 * MINUTE);
    scene.play();
    scene.setSpeed(100);
    scene.pass(500, 10);
    expect(scene.playhead).toBe(START + 2 * MINUTE + 50 * SECOND);
    scene.pass(200, 2);
    expect(scene.playhead).toBe(START + 2 * MINUTE);
    scene.setWindow(null);
    expect(scene.looping).toBe(false);
  });

  it('waits for the world when that has not come after it, and goes on without a jump', () => {
    scene.play();
    scene.behind = true;
    scene.pass(1000, 10);
    expect(scene.waiting).toBe(true);
    const at = scene.playhead;
    scene.pass(5000, 10);
    expect(scene.playhead).toBe(at);
    scene.caughtUp();
    scene.pass(100);
    expect([scene.waiting, scene.playhead]).toEqual([false, at + SECOND / 10]);
  });

  it('passes over a stretch in which nothing happens, if that is wished', async () => {
    scene.next = START + 9 * MINUTE;
    scene.play();
    scene.pass(200);
    await Promise.resolve();
    expect(scene.playhead).toBe(START + MINUTE + SECOND / 5);
    scene.skipIdle(true);
    scene.pass(200);
    await expect.poll(() => scene.playhead).toBeGreaterThan(START + 8 * MINUTE);
    expect(scene.playhead).toBeLessThan(START + 9 * MINUTE);
  });
});
