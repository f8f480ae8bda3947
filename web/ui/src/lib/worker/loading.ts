import { MsrError } from '../client/errors';
import { Counted } from './gathering';
import type { Told } from './protocol';

/** The longest pause before what failed is tried again, seconds. */
const LONGEST_PAUSE = 15;

/** How often it is told how far loading is, at most, milliseconds: the page lays itself out for each. */
const TELLING = 200;

/** What is loaded, told as it counts what arrives; it ends at once when its signal says so. */
export type Load = (signal: AbortSignal, counted: Counted) => Promise<void>;

/** Loads one thing at a time: tells how far it is, gives it up when it is in vain, tries again what may go well later. */
export class Loading {
  #abort: AbortController | null = null;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #cancelled = false;
  #toldAt = 0;

  constructor(
    private readonly tell: (told: Told) => void,
    private readonly goOn: () => void,
  ) {}

  /** Whether something is being loaded. */
  get isLoading(): boolean {
    return this.#abort !== null;
  }

  /** Whether nothing else may be loaded just now. */
  get isBusy(): boolean {
    return this.isLoading || this.#retry !== undefined || this.#cancelled;
  }

  begin(load: Load): void {
    const abort = new AbortController();
    this.#abort = abort;
    const counted = new Counted(() => {
      if (performance.now() - this.#toldAt >= TELLING) this.#tellProgress(true, counted);
    });
    this.#tellProgress(true, counted);
    void load(abort.signal, counted)
      .then(() => this.#succeed(abort.signal, counted))
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        abort.abort(); // of two answers the other one
        this.#fail(MsrError.of(error));
      })
      .finally(() => {
        if (this.#abort !== abort) return;
        this.#abort = null;
        this.#tellProgress(false);
        this.goOn();
      });
  }

  /** Give up what is being loaded, and what was to be tried again. */
  stop(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#abort?.abort();
    this.#abort = null;
    this.#tellProgress(false);
  }

  /** The same, and load nothing until something else is wished for. */
  cancel(): void {
    this.#cancelled = true;
    this.stop();
  }

  /** Something else is wished for. */
  allow(): void {
    this.#cancelled = false;
  }

  #succeed(signal: AbortSignal, counted: Counted): void {
    if (signal.aborted) return;
    this.#tellProgress(true, counted); // the last of it may have come too soon to be told
    if (this.#failures) this.tell({ kind: 'recovered' });
    this.#failures = 0;
  }

  #fail(error: MsrError): void {
    this.#failures++;
    const pause = error.about.retryAfter ?? Math.min(LONGEST_PAUSE, 2 ** (this.#failures - 1));
    const retryIn = error.isRetryable ? pause * 1000 : null;
    this.tell({ kind: 'failed', error: error.toJSON(), retryIn });
    if (retryIn === null) {
      this.#cancelled = true; // until something else is wished for
      return;
    }
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.goOn();
    }, retryIn);
  }

  #tellProgress(loading: boolean, { rows, bytes }: { rows: number; bytes: number } = { rows: 0, bytes: 0 }): void {
    this.#toldAt = performance.now();
    this.tell({ kind: 'progress', loading, progress: { rows, bytes } });
  }
}
