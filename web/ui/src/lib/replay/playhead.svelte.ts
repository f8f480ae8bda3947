import type { Instant, Interval } from '../instants';
import type { Direction } from '../fold/types';
import type { EnginePort } from '../worker/port';
import type { Ticker } from './clock';

export const SLOWEST = 0.25;
export const FASTEST = 3600;

/** How often the playhead moves, milliseconds: whatever shows it is drawn anew as often. */
const STEP = 50;
/** How often it is looked what there is to do while it stands, milliseconds. */
const SELDOM = 250;
/** How often the world is drawn anew while it plays, milliseconds. */
const PICTURE = 100;
/** A stretch without any change is idle if watching it would take longer, milliseconds. */
const IDLE = 2_000;

/** Where a replay is in time and how it goes on; the engine is told each moment that is to be shown. */
export class Playhead {
  /** From the first recording that may be seen to the settled limit; null: not known yet. */
  range = $state.raw<Interval | null>(null);

  /** Where we want to be; `frame.at` is what is shown. */
  playhead = $state.raw<Instant>(0);
  playing = $state.raw(false);
  direction = $state.raw<Direction>(1);
  speed = $state.raw(1);
  /** Whether the playhead stays at the settled limit. */
  following = $state.raw(false);
  /** The chosen stretch of time: looped, exported, kept in the session. */
  window = $state.raw<Interval | null>(null);
  looping = $state.raw(false);
  skippingIdle = $state.raw(false);
  /** Whether the playhead stands because what comes next is not there yet. */
  waiting = $state.raw(false);

  #wish = 0;
  #granted = 0;
  #wishedAt = 0;
  #tickedAt = 0;
  #jumping = false;

  constructor(
    readonly engine: EnginePort,
    protected readonly ticker: Ticker,
  ) {}

  play(): void {
    if (!this.range) return;
    const { start, end } = this.#bounds();
    if (this.direction > 0 && this.playhead >= end) this.move(start);
    if (this.direction < 0 && this.playhead <= start) this.move(end);
    this.following = false;
    this.playing = true;
  }

  /** Stand, and show exactly what was then: while it plays the world is drawn less often than the playhead moves. */
  pause(): void {
    const wasMoving = this.playing || this.following;
    this.playing = false;
    this.following = false;
    this.waiting = false;
    if (wasMoving) this.show();
  }

  toggle(): void {
    if (this.playing || this.following) this.pause();
    else this.play();
  }

  /** Turn the direction of play. */
  reverse(): void {
    this.direction = this.direction > 0 ? -1 : 1;
    this.following = false;
    this.show();
  }

  setSpeed(speed: number): void {
    this.speed = Math.min(FASTEST, Math.max(SLOWEST, speed));
  }

  /** Go to a moment, or as near as there is something. */
  seek(at: Instant): void {
    this.following = false;
    this.move(at);
  }

  jumpToLive(): void {
    if (this.range) this.seek(this.range.end);
  }

  /** Stay at the settled limit. */
  follow(): void {
    this.playing = false;
    this.jumpToLive();
    this.following = true;
  }

  setWindow(window: Interval | null): void {
    this.window = window && window.end < window.start ? { start: window.end, end: window.start } : window;
    if (!window) this.looping = false;
  }

  /** Play a window again and again; without one, end that. */
  loop(window: Interval | null = this.window): void {
    this.setWindow(window);
    const chosen = this.window;
    this.looping = chosen !== null;
    if (chosen && (this.playhead < chosen.start || this.playhead > chosen.end)) this.seek(chosen.start);
  }

  setLooping(looping: boolean): void {
    if (looping) this.loop();
    else this.looping = false;
  }

  skipIdle(skipping: boolean): void {
    this.skippingIdle = skipping;
  }

  /** Move the playhead by the time that passed, unless the world has not come after it. */
  #advance(passed: number): void {
    const behind = this.#granted < this.#wish;
    if (behind && this.ticker.now() - this.#wishedAt > 3 * PICTURE) this.waiting = true;
    if (this.waiting && behind) return;
    this.waiting = false;
    const { start, end } = this.#bounds();
    const next = Math.round(this.playhead + passed * 1000 * this.speed * this.direction);
    if (next >= start && next <= end) this.playhead = next;
    else this.#reachEnd(this.direction > 0 ? end : start, this.direction > 0 ? start : end);
    if (!behind && this.ticker.now() - this.#wishedAt > PICTURE - STEP / 2) {
      this.show();
      if (this.skippingIdle) void this.#skip();
    }
  }

  #reachEnd(last: Instant, first: Instant): void {
    if (this.looping) return this.move(first);
    this.playing = false;
    this.following = this.direction > 0 && last === this.range?.end;
    this.move(last);
  }

  async #skip(): Promise<void> {
    if (this.#jumping || !this.range) return;
    this.#jumping = true;
    try {
      const { playhead, direction, speed } = this;
      const found = await this.engine.call('step', playhead, direction, null, this.#bounds());
      const idle = found === null ? 0 : (found - playhead) * direction;
      const unchanged = this.playing && this.direction === direction && this.speed === speed;
      if (found !== null && unchanged && idle > IDLE * 1000 * speed) {
        this.move(found - direction * Math.round((IDLE / 4) * 1000 * speed));
      }
    } catch {
      // what cannot be skipped is played
    } finally {
      this.#jumping = false;
    }
  }

  #bounds(): Interval {
    const range = this.range ?? { start: 0, end: 0 };
    if (!this.looping || !this.window) return range;
    return { start: Math.max(range.start, this.window.start), end: Math.min(range.end, this.window.end) };
  }

  protected move(at: Instant): void {
    const range = this.range;
    this.playhead = range ? Math.min(range.end, Math.max(range.start, Math.round(at))) : Math.round(at);
    this.show();
  }

  protected show(): void {
    if (!this.range) return;
    this.#wishedAt = this.ticker.now();
    this.engine.show({
      number: ++this.#wish,
      at: this.playhead,
      direction: this.direction,
      speed: this.playing ? this.speed : this.following ? 1 : 0,
      range: this.range,
    });
  }

  /** Go on with every tick from now on, which come more often while it moves; returns what ends that. */
  protected run(): () => void {
    return $effect.root(() => {
      $effect(() => {
        const moves = this.playing || this.following;
        this.#tickedAt = this.ticker.now();
        return this.ticker.start(() => this.tick(), moves ? STEP : SELDOM);
      });
    });
  }

  protected tick(): void {
    const now = this.ticker.now();
    const passed = now - this.#tickedAt;
    this.#tickedAt = now;
    if (this.playing) this.#advance(passed);
    else if (this.following && this.range && this.playhead < this.range.end) this.move(this.range.end);
  }

  /** A wish was fulfilled: the moment is shown. */
  protected grant(wish: number): void {
    this.#granted = Math.max(this.#granted, wish);
  }
}
