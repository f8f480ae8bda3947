import { describe, expect, it } from 'vitest';
import { MsrError } from '../../lib';
import { changesOf, FIELDS, problemsOf, typed, type Settings } from './settings';

const settings: Settings = {
  max_active_sessions: 5,
  max_playback_range: 7,
  data_retention_cron_expression: '0 3 * * *',
  earliest_valid_timestamp: '1900-01-01T00:00:00Z',
  query_work_mem_mb: 256,
  columnstore_compression_age_days: 1,
  cagg_refresh_interval_hours: 1,
  cagg_refresh_lag_days: 1,
};

describe('settings as they are typed', () => {
  it('asks for every setting that there is', () => {
    expect(Object.keys(FIELDS).toSorted()).toEqual(Object.keys(settings).toSorted());
  });

  it('sends what was changed, and nothing else', () => {
    const now = { ...typed(settings), max_active_sessions: ' 9 ', data_retention_cron_expression: '0 4 * * *' };
    expect(changesOf(settings, now)).toEqual({ max_active_sessions: 9, data_retention_cron_expression: '0 4 * * *' });
    expect(changesOf(settings, typed(settings))).toEqual({});
  });

  it('sends what is no number as it is: the server refuses it, at its field', () => {
    expect(changesOf(settings, { ...typed(settings), max_active_sessions: 'many' })).toEqual({
      max_active_sessions: 'many',
    });
    expect(changesOf(settings, { ...typed(settings), max_active_sessions: '' })).toEqual({ max_active_sessions: '' });
  });

  it("puts the server's words at the fields, once each", () => {
    const details = [
      { field: 'cagg_refresh_lag_days.int', message: 'cagg_refresh_lag_days.int: Input should be a valid integer' },
      { field: 'cagg_refresh_lag_days.float', message: 'cagg_refresh_lag_days.float: Input should be a valid number' },
    ];
    const error = new MsrError('VALIDATION_FAILED', 'no', { status: 400, details });
    expect(problemsOf(error)).toEqual({ cagg_refresh_lag_days: 'Input should be a valid integer' });
  });
});
