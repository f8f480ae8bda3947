import { createReplay, type ClientOptions, type ReplayClient } from '../client/client';
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
  return replayOf(createReplay(options), options);
}

/** The same of a client that there is already. */
export function replayOf(client: ReplayClient, more: Pick<StartOptions, 'budgetBytes' | 'bookmarks'> = {}): Replay {
  const { baseUrl, getToken, renewToken } = client.options;
  const tokens = async (renew: boolean): Promise<string | undefined> => (renew ? renewToken?.() : getToken?.());
  const engine = new EnginePort(startWorker(), tokens);
  engine.begin({ baseUrl, budgetBytes: more.budgetBytes ?? BUDGET });
  return new Replay({ client, engine, bookmarks: more.bookmarks });
}
