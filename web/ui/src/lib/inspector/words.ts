import type { Op } from '../fold/types';

/** What an event has done, in a word. */
export const DEEDS: Readonly<Record<Op, string>> = {
  c: 'created',
  r: 'read by a snapshot',
  u: 'changed',
  d: 'deleted',
};

/** Longer values are folded. */
export const LONG = 80;

/** A value in full, readable: JSON with indents, text as it is. */
export function written(value: unknown): string {
  if (value === undefined) return '(not there)';
  if (value === null) return 'null';
  return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value);
}

/** A value on one line, cut where it becomes long. */
export function brief(value: unknown, longest = LONG): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : written(value);
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

/** Whether a value does not fit on a line. */
export function isLong(value: unknown): boolean {
  const text = written(value);
  return text.length > LONG || text.includes('\n');
}
