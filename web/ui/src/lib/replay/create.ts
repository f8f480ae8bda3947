import { createReplay, type ClientOptions } from '../client/client';
import { startWorker } from '../worker/channels';
import { EnginePort } from '../worker/port';
import type { BookmarkStore } from './bookmarks';
import { Replay } from './replay.svelte';

/** What the buffer may weigh unless something else is said. */
export const BUDGET = 256 * 1024 * 1024;

export interface StartOptions extends ClientOptions {
  readonly budgetBytes?: number;
  readonly bookmarks?: BookmarkStore;
}

/** A replay with a client and an engine in a worker; `open()` it, and `close()` it in the end. */
export function startReplay(options: StartOptions): Replay {
  const client = createReplay(options);
  const tokens = async (renew: boolean): Promise<string | undefined> =>
    renew ? options.renewToken?.() : options.getToken?.();
  const engine = new EnginePort(startWorker(), tokens);
  engine.begin({ baseUrl: options.baseUrl, budgetBytes: options.budgetBytes ?? BUDGET });
  return new Replay({ client, engine, bookmarks: options.bookmarks });
}
