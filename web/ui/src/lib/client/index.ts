export { createReplay, unwrap } from './client';
export type { ClientOptions, Range, ReplayClient, RowStream, Schemas } from './client';
export { MsrError } from './errors';
export type { DiffRow, Ending, Filters, OldRows, Op, Progress, Row, State, StreamOptions, Closing } from './rows';
export type { ServerEvent } from './sse';
