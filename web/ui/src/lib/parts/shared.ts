import { onMount } from 'svelte';
import type { ReplayClient } from '../client/client';
import { getReplay, setReplay } from '../components/context';
import type { Instant } from '../instants';
import { replayOf } from '../replay/create';
import type { Replay } from '../replay/replay.svelte';

/** What every part takes: a replay, or a client. Parts with the same client show the same replay; without either, the one around them. */
export interface PartProps {
  readonly client?: ReplayClient;
  readonly replay?: Replay;
  /** Where it opens; the newest moment, if nothing is said. The first part of a client decides. */
  readonly at?: Instant;
}

interface Shared {
  readonly replay: Replay;
  users: number;
  opened: boolean;
}

const shared = new WeakMap<ReplayClient, Shared>();

/** The replay of a part, for the components in it; it lives as long as a part with its client is on the page. */
export function useReplay({ client, replay, at }: PartProps): Replay {
  if (replay) return setReplay(replay);
  if (!client) return getReplay();
  const one = shared.get(client) ?? { replay: replayOf(client), users: 0, opened: false };
  if (typeof window !== 'undefined') shared.set(client, one);
  onMount(() => {
    one.users++;
    if (!one.opened) void one.replay.open(at);
    one.opened = true;
    return () => {
      if (--one.users > 0) return;
      shared.delete(client);
      one.replay.close();
    };
  });
  return setReplay(one.replay);
}
