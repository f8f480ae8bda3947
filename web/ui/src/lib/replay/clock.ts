/** What makes `Replay` go on; another one in tests. */
export interface Ticker {
  /** Milliseconds that only grow. */
  now(): number;
  /** Call a function after so many milliseconds each time; returns what ends that. */
  start(tick: () => void, every: number): () => void;
}

/** By timers: a picture that is asked for (`requestAnimationFrame`) is laid out and composed even if nothing changed. */
export const browserTicker: Ticker = {
  now: () => performance.now(),
  start(tick, every) {
    const timer = setInterval(tick, every);
    return () => clearInterval(timer);
  },
};
