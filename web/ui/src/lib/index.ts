export * from './client';
export * from './instants';
export type * from './fold/types';
export type * from './worker/protocol';
export { BUDGET, replayOf, startReplay, type StartOptions } from './replay/create';
export { FASTEST, Replay, SLOWEST, type Status } from './replay/replay.svelte';
export { COMMANDS, command, commandOf, SPEEDS, type Command, type Surroundings } from './replay/commands';
export { linkOf, openLink, readLink, writeLink, type Link, type View } from './replay/link';
export type { Bookmark, BookmarkStore } from './replay/bookmarks';
