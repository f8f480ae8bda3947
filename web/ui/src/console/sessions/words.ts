import type { MsrError } from '../../lib';
import type { Session } from './playback';

/** How a session stands, as people say it. */
export function standing({ status, ended_reason }: Pick<Session, 'status' | 'ended_reason'>): string {
  if (status === 'ACTIVE') return 'Active';
  return ended_reason === 'unseen' ? 'Ended: not seen for too long' : 'Terminated';
}

/** Whether a session that has ended may go on. */
export function resumable({ status, ended_reason }: Pick<Session, 'status' | 'ended_reason'>): boolean {
  return status === 'INACTIVE' && ended_reason === 'unseen';
}

/** What the limit of sessions means and what to do about it, with the server's numbers. */
export function limitInWords(error: MsrError): string {
  const [about] = error.about.details ?? [];
  const [active, most] = [about?.['active_sessions'], about?.['max_active_sessions']];
  const taken = typeof most === 'number' ? `All ${most} places are taken` : 'All places are taken';
  const by = typeof active === 'number' ? ` by the ${active} sessions that are active now` : '';
  return (
    `${taken}${by}, those of other people among them. Terminate one of yours below; where none is active, ask an ` +
    'administrator to terminate one or to raise the limit. A session that nobody sees ends by itself.'
  );
}

/** The id of a session in a link, or the id itself; nothing: it is neither. */
export function sessionIn(text: string): string | undefined {
  return /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(text)?.[0].toLowerCase();
}
