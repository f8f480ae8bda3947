import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  configureMsr,
  createSession,
  getActiveSessions,
  getInitialState,
  getPlaybackRange,
  getReplayEvents,
  terminateSession,
} from './client';
import { configureMsrErrorHandling, handleMsrError, MsrError } from './errors';
import { END, event, refusal, SmallWorld, START } from './world.testing';

let world: SmallWorld;
beforeEach(() => {
  world = new SmallWorld([event(1, 'a', 'c', { n: 1 }), event(5, 'a', 'u', { n: 2 }), event(9, 'a', 'd', { n: 2 })]);
  configureMsr(world.client);
});
afterEach(() => configureMsrErrorHandling());

const at = (second: number): Date => new Date(START / 1000 + second * 1000);

describe('the client functions', () => {
  it('create and end a session', async () => {
    expect(await createSession()).toEqual({ sessionId: 's1' });
    await terminateSession('s1');
    expect(world.last('/session/s1/terminate').method).toBe('POST');
  });

  it('list the active sessions only', async () => {
    expect((await getActiveSessions()).map(({ id }) => id)).toEqual(['s1', 's3']);
  });

  it('tell between which days one may replay', async () => {
    const range = { maxDays: 7, startDate: at(0), endDate: new Date(END / 1000) };
    expect(await getPlaybackRange()).toEqual({ ...range, earliestValidDate: new Date('1900-01-01T00:00:00Z') });
  });

  it('give the state of a moment and the events after it, in the words that applications know', async () => {
    const [flight] = await getInitialState(at(6));
    expect(flight).toMatchObject({
      entityId: 'a',
      entityState: { n: 2 },
      operation: 'update',
      tableName: 'air.flight',
    });
    const events = await getReplayEvents(at(1), at(9));
    expect(events.map(({ operation }) => operation)).toEqual(['update', 'delete']);
    expect(events[0]!.timestamp).toBe('2026-11-25T10:00:05.000000Z');
  });
});

describe('errors', () => {
  it('of a full house cannot be retried, and say what to do', async () => {
    world.refusals.set('POST /session', refusal(409, 'SESSION_LIMIT_REACHED', 'five sessions are active'));
    const error = await createSession().catch((thrown: unknown) => thrown as MsrError);
    expect(error).toMatchObject({
      code: 'SESSION_LIMIT_REACHED',
      message: 'five sessions are active',
      correlationId: 'c-1',
      isRetryable: false,
      action: 'terminate_existing_session',
    });
  });

  it('of the network can be retried', () => {
    expect(MsrError.of(new TypeError('fetch failed'))).toMatchObject({ code: 'NETWORK_ERROR', isRetryable: true });
  });

  it('go to the application, with what it has asked for', () => {
    const onError = vi.fn();
    configureMsrErrorHandling({ onError, defaultOptions: { logError: false, showToast: false } });
    const error = handleMsrError(new MsrError('CONFLICT', 'no'), 'somewhere');
    expect(onError).toHaveBeenCalledWith(error, 'somewhere', { showToast: false, logError: false, throwError: false });
    expect(() => handleMsrError(error, 'somewhere', { throwError: true })).toThrow(error);
  });

  it('are logged and shown, but not thrown, unless something else is said', () => {
    const onError = vi.fn();
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    configureMsrErrorHandling({ onError });
    const error = handleMsrError('odd', 'somewhere');
    expect(onError).toHaveBeenCalledWith(error, 'somewhere', { showToast: true, logError: true, throwError: false });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
  });
});
