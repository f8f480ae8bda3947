import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EntityRow, RowsQuery } from '../worker/protocol';
import EntityTable from './EntityTable.svelte';
import { fakeLayout, MadeEngine, madeReplay, RANGE } from './testing';
import Within from './Within.test.svelte';

const ROWS: EntityRow[] = Array.from({ length: 40 }, (_, i) => ({
  slot: i,
  key: `sea.vessel:${i}`,
  table: 'sea.vessel',
  id: String(i),
  since: RANGE.start,
  state: { name: `Vessel ${i}`, speed: i },
}));

function rows(query: RowsQuery): unknown {
  const found = ROWS.filter((row) => String(row.state['name']).includes(query.search ?? ''));
  const some = found.slice(query.offset, query.offset + query.limit);
  return { at: 1, version: 1, total: found.length, offset: query.offset, columns: ['name', 'speed'], rows: some };
}

beforeAll(() => fakeLayout(300));
afterEach(cleanup);

function shown(): { replay: ReturnType<typeof madeReplay> } {
  const tables = [{ table: 'sea.vessel', entities: 40, positioned: 0 }];
  const replay = madeReplay(new MadeEngine({ rows, entity: (key) => ({ key }) }, { tables }));
  render(Within, { replay, part: EntityTable });
  return { replay };
}

describe('the table', () => {
  it('shows every entity, selects one that is clicked, and by keys', async () => {
    const { replay } = shown();
    replay.seek(RANGE.start);
    const grid = await screen.findByRole('grid');
    await within(grid).findByText('Vessel 0');
    expect(grid.getAttribute('aria-rowcount')).toBe('41');
    await fireEvent.click(within(grid).getByText('Vessel 2'));
    expect(replay.selection).toBe('sea.vessel:2');
    grid.focus();
    await fireEvent.keyDown(grid, { key: 'ArrowDown' });
    await fireEvent.keyDown(grid, { key: 'Enter' });
    expect(replay.selection).toBe('sea.vessel:3');
    await fireEvent.keyDown(grid, { key: 'End', ctrlKey: true });
    await fireEvent.keyDown(grid, { key: ' ' });
    expect(replay.selection).toBe('sea.vessel:39');
  });

  it('is searched, and says when nothing matches', async () => {
    const { replay } = shown();
    replay.seek(RANGE.start);
    await screen.findByText('Vessel 0');
    await fireEvent.input(screen.getByRole('searchbox', { name: 'Search' }), { target: { value: 'nothing' } });
    await screen.findByText(/No entity matches/);
    await fireEvent.click(screen.getAllByRole('button', { name: 'Show all' })[0]!);
    await waitFor(() => expect(screen.getByText('Vessel 0')).toBeTruthy());
  });

  it('says how far loading has come before there is anything', async () => {
    shown();
    expect((await screen.findByText(/0 rows, 0 B/)).tagName).toBe('SMALL');
  });
});
