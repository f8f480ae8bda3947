import type { Instant, Interval } from '../instants';
import { lengthOf, panned, showing, within, WIDEST, zoomed } from './scale';

/** Which stretch of the recording a time bar shows: the whole of it until somebody looks closer. */
export class TimeView {
  #chosen = $state.raw<Interval | null>(null);
  width = $state(0);
  /** All there is to see by now; what is shown grows with it at once. */
  readonly bounds = $derived.by(() => this.allOf());
  readonly shown: Interval = $derived(this.#chosen ? within(this.#chosen, this.bounds) : this.#newest());
  readonly whole = $derived(lengthOf(this.shown) >= lengthOf(this.bounds));
  readonly scale = $derived({ ...this.shown, width: this.width });

  constructor(private readonly allOf: () => Interval) {}

  /** The whole again; as it grows, so does what is shown. */
  fit(): void {
    this.#chosen = null;
  }

  zoom(factor: number, anchor: Instant = this.#middle()): void {
    this.#choose(zoomed(this.shown, factor, anchor, this.bounds));
  }

  /** By a share of what is shown. */
  pan(share: number): void {
    this.panBy(share * lengthOf(this.shown));
  }

  panBy(time: number): void {
    this.#choose(panned(this.shown, time, this.bounds));
  }

  /** A stretch, with a little room around it. */
  show(stretch: Interval): void {
    const room = lengthOf(stretch) * 0.05;
    this.#choose(within({ start: stretch.start - room, end: stretch.end + room }, this.bounds));
  }

  /** Keep an instant in sight. */
  keep(at: Instant, direction: 1 | -1): void {
    if (this.#chosen) this.#choose(showing(this.shown, at, direction, this.bounds));
  }

  #choose(view: Interval): void {
    this.#chosen = lengthOf(view) >= lengthOf(this.bounds) ? null : view;
  }

  #newest(): Interval {
    return { start: Math.max(this.bounds.start, this.bounds.end - WIDEST), end: this.bounds.end };
  }

  #middle(): Instant {
    return (this.shown.start + this.shown.end) / 2;
  }
}
