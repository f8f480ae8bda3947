import { createContext } from 'svelte';
import type { Replay } from '../replay/replay.svelte';

/** The replay that the parts around it show; `<Replay>` and the console set it once. */
export const [getReplay, setReplay] = createContext<Replay>();
