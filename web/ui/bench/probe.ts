import type { Said, Told } from '../src/lib/worker/protocol';

/** What a page with the console has done, as `probe` saw it from within; times are the page's `performance.now()`. */
export interface Seen {
  /** What the buffer may weigh, what it says it weighs, and what it holds, microseconds since 1970. */
  budget: number;
  bytes: number;
  held: readonly { readonly start: number; readonly end: number }[];
  loading: boolean;
  /** Since when it loads, or does not. */
  loadingSince: number;
  /** When a form was sent last: how the go-to box is commanded. */
  submitted: number;
  wishes: { number: number; at: number; sent: number }[];
  frames: { wish: number; at: number; came: number }[];
  pictures: Picture[];
  /** Tasks of the main thread over 50 ms. */
  tasks: { start: number; duration: number }[];
  /** Scripts within slow pictures, by who called them. */
  scripts: Record<string, { count: number; total: number; longest: number }>;
  /** Forget what came until now. */
  forget(): void;
  /** The first picture of a moment, once it is drawn. */
  drawn(at: number): Promise<Picture>;
}

/** The entities of a moment, drawn. */
export interface Picture {
  readonly at: number;
  readonly drawn: number;
}

/**
 * Watches the console from within its page, before its own scripts run. It listens to what page and threads say to each
 * other and keeps a few numbers of it; the console does not know. It is sent to the page as text: it uses nothing from outside.
 */
export function probe(): void {
  const waiting: { at: number; resolve: (picture: Picture) => void }[] = [];
  let shown: number | null = null;
  const seen: Seen = {
    budget: 0,
    bytes: 0,
    held: [],
    loading: false,
    loadingSince: 0,
    submitted: 0,
    wishes: [],
    frames: [],
    pictures: [],
    tasks: [],
    scripts: {},
    forget() {
      seen.wishes = [];
      seen.frames = [];
      seen.pictures = [];
      seen.tasks = [];
      seen.scripts = {};
    },
    drawn(at) {
      const found = seen.pictures.find((picture) => picture.at === at);
      return found ? Promise.resolve(found) : new Promise((resolve) => waiting.push({ at, resolve }));
    },
  };

  /** After the next picture has been handed over to be shown. */
  function afterPaint(work: () => void): void {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = work;
      port2.postMessage(null);
    });
  }

  function draw(at: number): void {
    afterPaint(() => {
      const picture = { at, drawn: performance.now() };
      seen.pictures.push(picture);
      for (let i = waiting.length - 1; i >= 0; i--) {
        if (waiting[i]!.at === at) waiting.splice(i, 1)[0]!.resolve(picture);
      }
    });
  }

  function overhear<Message>(worker: Worker, hear: (message: Message) => void): void {
    const post = worker.postMessage.bind(worker) as (message: Message, more?: unknown) => void;
    worker.postMessage = (message: Message, more?: unknown) => {
      hear(message);
      post(message, more);
    };
  }

  function watchEngine(worker: Worker): void {
    overhear(worker, (said: Said) => {
      if (said.kind === 'begin') seen.budget = said.options.budgetBytes;
      if (said.kind === 'show') {
        seen.wishes.push({ number: said.wish.number, at: said.wish.at, sent: performance.now() });
      }
    });
    worker.addEventListener('message', ({ data }: MessageEvent<Told>) => {
      if (data.kind === 'frame') {
        shown = data.frame.at;
        seen.frames.push({ wish: data.wish, at: shown, came: performance.now() });
      } else if (data.kind === 'buffered') {
        seen.held = data.intervals;
        seen.bytes = data.bytes;
      } else if (data.kind === 'progress' && seen.loading !== data.loading) {
        seen.loading = data.loading;
        seen.loadingSince = performance.now();
      }
    });
  }

  /** The thread that draws entities where the processor does: it answers each request with a picture. */
  function watchSplat(worker: Worker): void {
    let drawing: number | null = null;
    overhear(worker, (said: { points?: unknown }) => (drawing = said.points ? shown : null));
    worker.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (data !== null && drawing !== null) draw(drawing);
      drawing = null;
    });
  }

  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      if (options?.name === 'msr-engine') watchEngine(this);
      else if (String(url).includes('splat')) watchSplat(this);
    }
  };
  addEventListener('submit', () => (seen.submitted = performance.now()), true);
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) seen.tasks.push({ start: startTime, duration });
  }).observe({ type: 'longtask' });
  new PerformanceObserver((list) => {
    for (const frame of list.getEntries() as (PerformanceEntry & { scripts: Script[] })[]) {
      for (const { invoker, sourceURL, sourceFunctionName, duration } of frame.scripts) {
        const name = `${invoker} ${sourceFunctionName} ${sourceURL.split('/').at(-1)}`;
        const script = (seen.scripts[name] ??= { count: 0, total: 0, longest: 0 });
        script.count++;
        script.total += duration;
        script.longest = Math.max(script.longest, duration);
      }
    }
  }).observe({ type: 'long-animation-frame' });
  interface Script {
    invoker: string;
    sourceURL: string;
    sourceFunctionName: string;
    duration: number;
  }
  Object.assign(window, { msrBench: seen });
}
