export { createReplayHandler, type HandlerOptions, type ReplayEvent } from './handler';
export type { Scope } from './allowed';
