/** What makes `Replay` go on; another one in tests. */
export interface Ticker {
  /** Milliseconds that only grow. */
  now(): number;
  /** Call a function on every picture, or now and then; returns what ends that. */
  start(tick: () => void, often: boolean): () => void;
}

/** So often at least, milliseconds: while the page is not seen, or nothing moves on it. */
const SELDOM = 250;

/** A picture is asked for only while something moves: the browser draws each that is asked for, changed or not. */
export const browserTicker: Ticker = {
  now: () => performance.now(),
  start(tick, often) {
    let going = true;
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = (): void => {
      if (!going) return;
      if (often && document.visibilityState === 'visible') frame = requestAnimationFrame(step);
      else timer = setTimeout(step, SELDOM);
    };
    const step = (): void => {
      tick();
      next(); // at the end: asked for before, the map would paint at half the rate
    };
    const wake = (): void => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      next();
    };
    document.addEventListener('visibilitychange', wake);
    next();
    return () => {
      going = false;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
    };
  },
};
