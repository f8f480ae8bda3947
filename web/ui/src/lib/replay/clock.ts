/** What makes `Replay` go on; another one in tests. */
export interface Ticker {
  /** Milliseconds that only grow. */
  now(): number;
  /** Call a function on every picture; returns what ends that. */
  start(tick: () => void): () => void;
}

/** Every picture while the page is seen, four times a second while it is not. */
export const browserTicker: Ticker = {
  now: () => performance.now(),
  start(tick) {
    let going = true;
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = (): void => {
      if (!going) return;
      if (document.visibilityState === 'visible') frame = requestAnimationFrame(step);
      else timer = setTimeout(step, 250);
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
