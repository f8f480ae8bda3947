import { fromDate, MINUTE, toDate } from '../instants';
import { createSession, getPlaybackRange, terminateSession, type PlaybackRange } from './client';
import { handleMsrError } from './errors';
import type { PerformanceOptions, ReplayStatus, ReplayStore } from './store.svelte';

export type Phase = 'lobby' | Exclude<ReplayStatus, 'idle'>;

export interface Buffers {
  readonly playbackWindowMinutes: number;
  readonly startBufferMinutes: number;
  readonly endBufferMinutes: number;
}

/** Between which moments a replay may begin: the range without its buffers. */
export function choices(range: PlaybackRange, buffers: Buffers): { first: Date; last: Date } {
  const last = fromDate(range.endDate) - buffers.endBufferMinutes * MINUTE;
  const first = Math.min(last, fromDate(range.startDate) + buffers.startBufferMinutes * MINUTE);
  return { first: toDate(first), last: toDate(last) };
}

/** A visit: lobby → selecting → initialising → playing / paused → ended, error, terminated → lobby. */
export class MultiSession {
  range = $state.raw<PlaybackRange | null>(null);
  #busy = $state.raw(false);

  constructor(private readonly store: ReplayStore) {}

  get phase(): Phase {
    return this.store.status === 'idle' ? 'lobby' : this.store.status;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Take a session, and learn what may be chosen. */
  async enter(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const { sessionId } = await createSession();
      this.store.sessionId = sessionId;
      this.range = await getPlaybackRange();
      this.store.select();
    } catch (error) {
      this.store.fail(error, 'createSession');
    } finally {
      this.#busy = false;
    }
  }

  /** Replay from a moment, for as long as the window is or the recording lasts. */
  async start(at: Date, windowMinutes: number, performance: PerformanceOptions = {}): Promise<void> {
    const end = Math.min(fromDate(at) + windowMinutes * MINUTE, fromDate(this.range?.endDate ?? at));
    this.store.setPlaybackRange(at, toDate(end));
    await this.store.initiateReplay(at, performance);
    this.store.play();
  }

  /** Back to the lobby; the session's place is free again. */
  async leave(): Promise<void> {
    const id = this.store.sessionId;
    this.store.sessionId = undefined;
    this.store.reset();
    if (id === undefined) return;
    try {
      await terminateSession(id);
    } catch (error) {
      const gone = (error as { code?: string }).code;
      if (gone !== 'NOT_FOUND' && gone !== 'SESSION_TERMINATED' && gone !== 'CONFLICT') {
        handleMsrError(error, 'terminateSession', { throwError: false });
      }
    }
  }
}
