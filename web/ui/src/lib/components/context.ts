import { createContext, getContext, setContext } from 'svelte';
import type { Surroundings } from '../replay/commands';
import type { Replay } from '../replay/replay.svelte';

/** The replay that the parts around it show; `<Replay>` and the console set it once. */
export const [getReplay, setReplay] = createContext<Replay>();

const AROUND = Symbol('surroundings');

/** What commands can do beside the replay: the page begins it, the parts add what they can. */
export function setSurroundings(around: Surroundings): Surroundings {
  return setContext(AROUND, around);
}

export function getSurroundings(): Surroundings {
  return getContext<Surroundings | undefined>(AROUND) ?? {};
}
