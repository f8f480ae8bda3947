import type { ReplayClient } from '../client/client';
import { SECOND } from '../instants';
import type { Replay } from '../replay/replay.svelte';
import { Replay as RealReplay } from '../replay/replay.svelte';
import type { BookmarkStore } from '../replay/bookmarks';
import type { EnginePort, Listener } from '../worker/port';
import { NO_FRAME, type CallName, type Calls, type Frame, type Wish } from '../worker/protocol';

export type Made = { [Name in CallName]?: (...args: Parameters<Calls[Name]>) => unknown };

/** An engine that answers as it is told, and shows whatever is wished for at once. */
export class MadeEngine {
  readonly called: [CallName, readonly unknown[]][] = [];
  #listener: Listener = () => undefined;
  #version = 0;

  constructor(
    readonly answers: Made = {},
    readonly frame: Partial<Frame> = {},
  ) {}

  listen(listener: Listener): () => void {
    this.#listener = listener;
    return () => undefined;
  }

  async call(name: CallName, ...args: unknown[]): Promise<unknown> {
    this.called.push([name, args]);
    return (this.answers[name] as ((...args: unknown[]) => unknown) | undefined)?.(...args);
  }

  show(wish: Wish): void {
    const frame = { ...NO_FRAME, ...this.frame, version: ++this.#version, at: wish.at };
    queueMicrotask(() => this.#listener({ kind: 'frame', wish: wish.number, frame }));
  }

  tell(told: Parameters<Listener>[0]): void {
    this.#listener(told);
  }

  setSession(): void {
    // nothing is sent
  }

  cancel(): void {
    // nothing is loaded
  }

  close(): void {
    // nothing is held
  }
}

export const RANGE = { start: 1_000_000 * SECOND, end: 1_000_600 * SECOND };

/** A replay of the range above with a made-up engine, whose requests are answered by a function of path and query. */
export function madeReplay(
  engine: MadeEngine,
  answer: (path: string, query: URLSearchParams) => unknown = () => ({ data: [] }),
  bookmarks?: BookmarkStore,
): Replay {
  const get = async (path: string, init: { params?: { path?: object; query?: object } }): Promise<unknown> => {
    const query = new URLSearchParams(init.params?.query as Record<string, string>);
    return { data: answer(path, query), response: new Response(null, { status: 200 }) };
  };
  const client = { api: { GET: get } } as unknown as ReplayClient;
  const replay = new RealReplay({
    client,
    engine: engine as unknown as EnginePort,
    ticker: { now: () => 0, start: () => () => undefined },
    bookmarks,
  });
  replay.range = RANGE;
  return replay;
}

/** jsdom lays nothing out: every element is so high, and no size changes. */
export function fakeLayout(height: number): void {
  Object.defineProperty(HTMLElement.prototype, 'clientHeight', { configurable: true, value: height });
  globalThis.ResizeObserver = class {
    observe(): void {
      // sizes stay
    }
    unobserve(): void {
      // sizes stay
    }
    disconnect(): void {
      // sizes stay
    }
  };
}
