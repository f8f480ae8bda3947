import type { MsrError, Schemas } from '../../lib';

export type Settings = Schemas['Configuration'];
export type Name = keyof Settings & string;

/** How each setting is asked for. The server says what is valid; here is only what it means. */
export const FIELDS: Record<Name, { readonly label: string; readonly hint: string; readonly text?: boolean }> = {
  max_active_sessions: { label: 'Active sessions at most', hint: 'of all tenants together' },
  max_playback_range: { label: 'How far back a replay may reach', hint: 'days' },
  data_retention_cron_expression: {
    label: 'When what is too old is removed',
    hint: 'cron, in UTC: minute hour day month weekday',
    text: true,
  },
  earliest_valid_timestamp: { label: 'Nothing before this is replayed', hint: 'RFC 3339 time with offset', text: true },
  query_work_mem_mb: { label: 'Memory of one sort of a query', hint: 'MB' },
  columnstore_compression_age_days: { label: 'Age at which history is compressed', hint: 'days, with TimescaleDB' },
  cagg_refresh_interval_hours: { label: 'How often the activity is summed up', hint: 'hours' },
  cagg_refresh_lag_days: { label: 'How old activity must be to be summed up', hint: 'days' },
};

/** The settings as they are typed. */
export type Typed = Record<string, string>;

export function typed(settings: Settings): Typed {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

/** What was changed, as the server takes it: a number where one was typed, else the text, which it then refuses. */
export function changesOf(before: Settings, now: Typed): Record<string, string | number> {
  const changes: Record<string, string | number> = {};
  for (const [name, { text }] of Object.entries(FIELDS)) {
    const value = (now[name] ?? '').trim();
    if (value === String(before[name as Name])) continue;
    const number = Number(value);
    changes[name] = text || value === '' || Number.isNaN(number) ? value : number;
  }
  return changes;
}

/** The server's words by field. */
export function problemsOf(error: MsrError): Record<string, string> {
  const problems: Record<string, string> = {};
  for (const { field, message } of error.about.details ?? []) {
    if (typeof field !== 'string' || typeof message !== 'string') continue;
    const name = field.split('.')[0] ?? field;
    problems[name] ??= message.replace(`${field}: `, '');
  }
  return problems;
}
