/** The names that applications with an earlier modlet rely on, over the same `Replay`. */
export { default as DataTable } from './DataTable.svelte';
export { default as MultiSessionReplay } from './MultiSessionReplay.svelte';
export { default as ReplayController } from './ReplayController.svelte';
export { default as ReplayInitCard } from './ReplayInitCard.svelte';
export { default as SessionsPage } from './SessionsPage.svelte';
export { default as TimelineSlider } from './TimelineSlider.svelte';
export {
  BASE_URL,
  configureMsr,
  createSession,
  getActiveSessions,
  getInitialState,
  getPlaybackRange,
  getReplayEvents,
  terminateSession,
  type PlaybackRange,
  type ReplayEvent,
} from './client';
export { configureMsrErrorHandling, MsrError, type ErrorHandling, type ErrorOptions } from './errors';
export type { FilterConfig, FilterContext } from './filters';
export { MultiSession, type Phase } from './session.svelte';
export { replayStore, type Entity, type PerformanceOptions, type ReplayStatus } from './store.svelte';
