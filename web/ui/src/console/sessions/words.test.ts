import { describe, expect, it } from 'vitest';
import { MsrError } from '../../lib';
import { limitInWords, resumable, sessionIn, standing } from './words';

describe('sessions in words', () => {
  it("explains the limit with the server's numbers, and what to do", () => {
    const details = [{ active_sessions: 5, max_active_sessions: 5 }];
    const words = limitInWords(new MsrError('SESSION_LIMIT_REACHED', 'full', { status: 409, details }));
    expect(words).toContain('All 5 places are taken by the 5 sessions');
    expect(words).toContain('Terminate one of yours');
  });

  it('lets only those go on that ended unseen', () => {
    expect(resumable({ status: 'INACTIVE', ended_reason: 'unseen' })).toBe(true);
    expect(resumable({ status: 'INACTIVE', ended_reason: 'terminated' })).toBe(false);
    expect(standing({ status: 'INACTIVE', ended_reason: 'terminated' })).toBe('Terminated');
  });

  it('finds a session in a link, and in nothing else', () => {
    const id = '0b6e1f5e-7c3a-4b53-9d5a-2f6f0c1f9a77';
    expect(sessionIn(`https://replay.example/?session=${id}`)).toBe(id);
    expect(sessionIn(` ${id.toUpperCase()} `)).toBe(id);
    expect(sessionIn('half a thought')).toBeUndefined();
  });
});
