import type { CDPSession, Page } from 'playwright-core';

/** Says something to a thread by Chromium's protocol, and waits for the answer. */
type Ask = (method: string, params?: object) => Promise<unknown>;

/** What a thread's JavaScript holds: its own heap, and buffers beside it (typed arrays). */
export interface Heap {
  readonly used: number;
  readonly buffers: number;
}

/** An answer of the engine's: milliseconds in the page's clock, and bytes as they were sent and as they are read. */
export interface Fetched {
  readonly path: string;
  /** Of the states, as they were asked for; null: all. */
  readonly fields: string | null;
  readonly start: number;
  readonly first: number;
  readonly last: number;
  readonly sent: number;
  readonly read: number;
}

/** A sampled profile, as Chromium gives it. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** One thread of a page, as a debugger sees it. */
export class Thread {
  constructor(readonly ask: Ask) {}

  async evaluate<Value>(expression: string): Promise<Value> {
    const found = (await this.ask('Runtime.evaluate', { expression, returnByValue: true })) as {
      result: { value: Value };
      exceptionDetails?: { text: string };
    };
    if (found.exceptionDetails) throw new Error(`${expression}: ${found.exceptionDetails.text}`);
    return found.result.value;
  }

  async heap(): Promise<Heap> {
    const found = (await this.ask('Runtime.getHeapUsage')) as { usedSize: number; backingStorageSize?: number };
    return { used: found.usedSize, buffers: found.backingStorageSize ?? 0 };
  }

  /** What it fetched since it was asked last, of the history. */
  async fetched(pageOrigin: number): Promise<Fetched[]> {
    return this.evaluate<Fetched[]>(`(() => {
      performance.setResourceTimingBufferSize(100000);
      const shift = performance.timeOrigin - ${pageOrigin};
      const found = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/replay/'));
      performance.clearResourceTimings();
      return found.map((one) => ({ path: new URL(one.name).pathname,
        fields: new URL(one.name).searchParams.get('fields'), start: one.startTime + shift,
        first: one.responseStart + shift, last: one.responseEnd + shift, sent: one.encodedBodySize, read: one.decodedBodySize }));
    })()`);
  }

  /** From now on note how long it works on each wish (`show`), until its frame is sent; for the engine's thread. */
  async watchWishes(): Promise<void> {
    await this.evaluate(`(() => {
      const [begun, post] = [new Map(), self.postMessage.bind(self)];
      self.msrWishes = {};
      const { get } = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
      Object.defineProperty(MessageEvent.prototype, 'data', { get() { // the engine's own listener is the first one
        const [now, data] = [performance.now(), get.call(this)];
        if (data?.kind === 'show') begun.set(data.wish.number, now);
        return data;
      } });
      self.postMessage = (told, ...more) => {
        post(told, ...more);
        if (told.kind !== 'frame') return;
        self.msrWishes = { [told.wish]: performance.now() - begun.get(told.wish) };
        begun.clear();
      };
    })()`);
  }

  /** Milliseconds from when it heard a wish until its frame was sent. */
  workedOn(wish: number): Promise<number> {
    return this.evaluate<number>(`self.msrWishes[${wish}] || -1`);
  }

  /** Sample it while something is done. */
  async profile(work: () => Promise<void>): Promise<Profile> {
    await this.ask('Profiler.enable');
    await this.ask('Profiler.setSamplingInterval', { interval: 500 });
    await this.ask('Profiler.start');
    await work();
    const { profile } = (await this.ask('Profiler.stop')) as { profile: Profile };
    return profile;
  }
}

/** Where a profile's time went: functions by their own time, milliseconds, the longest first. */
export function longest({ nodes, samples, timeDeltas }: Profile, most = 25): { name: string; ms: number }[] {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      return [id, `${functionName || '(anonymous)'} ${url.split('/').at(-1)}:${lineNumber + 1}`] as const;
    }),
  );
  const times = new Map<string, number>();
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '?';
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0) / 1000);
  });
  const sorted = [...times].map(([name, ms]) => ({ name, ms: Math.round(ms) })).sort((a, b) => b.ms - a.ms);
  return sorted.slice(0, most);
}

/** The page's own thread and its engine's. */
export async function threadsOf(page: Page): Promise<{ main: Thread; engine: Thread }> {
  const session = await page.context().newCDPSession(page);
  const ask: Ask = (method, params) => session.send(method as 'Runtime.enable', params as undefined);
  const engine = await workerOf(session, 'engine.worker');
  await ask('Performance.enable');
  return { main: new Thread(ask), engine };
}

/** A page's worker, found by its address; what is said to it goes through the page's session. */
function workerOf(session: CDPSession, name: string): Promise<Thread> {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let [number, own] = [0, ''];
  const ask: Ask = (method, params = {}) =>
    new Promise((resolve, reject) => {
      const id = ++number;
      waiting.set(id, { resolve, reject });
      const message = JSON.stringify({ id, method, params });
      session.send('Target.sendMessageToTarget', { sessionId: own, message }).catch(reject);
    });
  session.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    if (sessionId !== own) return;
    const { id, result, error } = JSON.parse(message) as { id?: number; result?: unknown; error?: { message: string } };
    const asked = waiting.get(id ?? 0);
    waiting.delete(id ?? 0);
    if (error) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  });
  return new Promise((resolve, reject) => {
    session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (own || !targetInfo.url.includes(name)) return;
      own = sessionId;
      resolve(new Thread(ask));
    });
    const how = { autoAttach: true, waitForDebuggerOnStart: false, flatten: false };
    session.send('Target.setAutoAttach', how).catch(reject);
    setTimeout(() => reject(new Error(`no worker ${name} has been seen`)), 30_000).unref();
  });
}
