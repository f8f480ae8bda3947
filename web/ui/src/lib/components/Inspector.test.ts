import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, describe, expect, it } from 'vitest';
import { SECOND, render as timeText } from '../instants';
import Inspector from './Inspector.svelte';
import { MadeEngine, madeReplay, RANGE } from './testing';
import Within from './Within.test.svelte';

afterEach(cleanup);

const at = (second: number): number => RANGE.start + second * SECOND;
const KEY = 'sea.vessel:v:1';
const STATE = {
  name: 'Aurora',
  wind_kn: 12,
  geojson: JSON.stringify({ type: 'Point', coordinates: [103.8, 1.3] }).repeat(3),
};

function entity(key: string): unknown {
  return {
    key,
    slot: 1,
    table: 'sea.vessel',
    id: 'v:1',
    state: STATE,
    op: 'u',
    since: at(20),
    lon: 1,
    lat: 1,
    label: '',
  };
}

function history(_: string, query: URLSearchParams): unknown {
  const all = [
    { op: 'c', event_timestamp: timeText(at(10)), entity_state: STATE, changed: {} },
    { op: 'u', event_timestamp: timeText(at(20)), entity_state: STATE, changed: { wind_kn: { before: 9, after: 12 } } },
    { op: 'd', event_timestamp: timeText(at(30)), entity_state: null, changed: {} },
  ];
  const [start, end] = [query.get('start')!, query.get('end')!];
  const found = all.filter((one) => one.event_timestamp > start && one.event_timestamp <= end);
  return { data: found, page: { total_records: found.length } };
}

describe('the inspector', () => {
  it('shows what an entity is and what happened to it, and goes to any of it', async () => {
    const replay = madeReplay(new MadeEngine({ entity }), history);
    render(Within, { replay, part: Inspector });
    await screen.findByText(/Select an entity/);
    replay.seek(at(25));
    await replay.select(KEY);
    expect(await screen.findByText('Aurora')).toBeTruthy();
    const items = await screen.findAllByRole('listitem');
    expect(items.map((item) => /deleted|changed|created/.exec(item.textContent ?? '')?.[0])).toEqual([
      'deleted',
      'changed',
      'created',
    ]);
    expect(items[1]!.textContent).toContain('wind_kn');
    expect(items[1]!.getAttribute('aria-current')).toBe('time');
    await fireEvent.click(screen.getByRole('button', { name: /created/ }));
    expect(replay.playhead).toBe(at(10));
    expect(document.querySelectorAll('.tick')).toHaveLength(3);
  });

  it('folds what is long', async () => {
    const replay = madeReplay(new MadeEngine({ entity }), history);
    render(Within, { replay, part: Inspector });
    replay.seek(at(25));
    await replay.select(KEY);
    expect((await screen.findByText('Aurora')).closest('details')).toBeNull();
    expect(screen.getByRole('region', { name: 'geojson in full', hidden: true }).closest('details')?.open).toBe(false);
  });
});
