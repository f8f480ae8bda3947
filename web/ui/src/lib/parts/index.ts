export { default as Controls } from './Controls.svelte';
export { default as EntityTable } from './EntityTable.svelte';
export { default as Inspector } from './Inspector.svelte';
export { default as Replay } from './Replay.svelte';
export { default as TimeBar } from './TimeBar.svelte';
export { getReplay, setReplay } from '../components/context';
export type { PartProps } from './shared';
