import { createContext } from 'svelte';
import type { Follower } from './follower.svelte';
import type { SessionKeeper } from './keeper.svelte';

/** The session that the replay is kept in, and the presenter who is followed. */
export interface Sessions {
  readonly keeper: SessionKeeper;
  readonly follower: Follower;
}

export const [getSessions, setSessions] = createContext<Sessions>();
