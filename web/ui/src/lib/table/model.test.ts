import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EntityRow, RowsPage, RowsQuery } from '../worker/protocol';
import { changedCells, columnsOf } from './cells';
import { MARKED, TableModel } from './model.svelte';
import { moved } from './moves';

function row(id: number, since: number, state: Record<string, unknown> = {}): EntityRow {
  return { slot: id, key: `sea.vessel:${id}`, table: 'sea.vessel', id: String(id), since, state };
}

function page(rows: EntityRow[], version: number, total = rows.length, offset = 0): RowsPage {
  return { at: version, version, total, offset, columns: ['id', 'speed'], rows };
}

/** An engine with so many entities, of which every one changes with each version. */
class Many {
  readonly asked: RowsQuery[] = [];
  version = 1;

  constructor(private readonly total: number) {}

  readonly ask = async (query: RowsQuery): Promise<RowsPage> => {
    this.asked.push(query);
    const number = Math.max(0, Math.min(query.limit, this.total - query.offset));
    const rows = Array.from({ length: number }, (_, i) =>
      row(query.offset + i, this.version, { id: query.offset + i, speed: this.version }),
    );
    return page(rows, this.version, this.total, query.offset);
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the table of entities', () => {
  it('asks for rows around those that are seen alone, of 100,000', async () => {
    const many = new Many(100_000);
    const model = new TableModel(many.ask, undefined, () => 0);
    model.see(0, 30);
    await vi.runAllTimersAsync();
    expect(model.total).toBe(100_000);
    model.see(50_000, 30);
    await vi.runAllTimersAsync();
    expect(model.row(50_010)?.id).toBe('50010');
    expect(model.row(0)).toBeUndefined();
    expect(Math.max(...many.asked.map((query) => query.limit))).toBeLessThan(200);
    model.close();
  });

  it('has one question at a time under way, and ends with the last thing that was wanted', async () => {
    const many = new Many(10);
    const model = new TableModel(many.ask, undefined, () => 0);
    for (const text of ['s', 'se', 'sea']) model.setSearch(text);
    await vi.runAllTimersAsync();
    expect(many.asked.map((query) => query.search)).toEqual(['s', 'sea']);
    model.close();
  });

  it('marks the cells that have changed, for a while', async () => {
    const many = new Many(2);
    const model = new TableModel(many.ask, undefined, () => 0);
    await model.refresh();
    expect(model.changes.size).toBe(0);
    await vi.advanceTimersByTimeAsync(1_000);
    many.version = 2;
    await model.refresh();
    expect([...(model.changes.get('sea.vessel:1') ?? [])]).toEqual(['since', 'speed']);
    await vi.advanceTimersByTimeAsync(MARKED + 1);
    expect(model.changes.size).toBe(0);
    model.close();
  });

  it('sorts upwards, downwards, and not', () => {
    const model = new TableModel(new Many(1).ask);
    const seen = [1, 2, 3].map(() => {
      model.sortBy('speed');
      return model.sort;
    });
    expect(seen).toEqual([{ column: 'speed', descending: false }, { column: 'speed', descending: true }, null]);
    model.close();
  });

  it('shows the columns that were chosen, in their order', async () => {
    const model = new TableModel(new Many(1).ask);
    await model.refresh();
    model.showColumn('id', false);
    expect(model.columns.map(({ name }) => name)).toEqual(['table', 'since', 'speed']);
    model.showColumn('id', true);
    expect(model.columns.map(({ name }) => name)).toEqual(['table', 'since', 'id', 'speed']);
    model.close();
  });

  it('says why rows did not come', async () => {
    const model = new TableModel(() => Promise.reject(new TypeError('no')));
    await model.refresh();
    expect(model.error?.code).toBe('NETWORK_ERROR');
    model.close();
  });
});

describe('cells', () => {
  it('are changed where two pages differ, not where a row is new or the same', () => {
    const before = page([row(1, 1, { speed: 1, name: 'a' }), row(2, 1, { speed: 1 })], 1);
    const after = page([row(1, 2, { speed: 2, name: 'a' }), row(2, 1, { speed: 1 }), row(3, 2)], 2);
    const found = changedCells(before, after);
    expect([...found].map(([key, names]) => [key, [...names]])).toEqual([['sea.vessel:1', ['since', 'speed']]]);
  });

  it('of a table have no column that every row says', () => {
    expect(columnsOf(['id', 'speed'], 'sea.vessel').map(({ name }) => name)).toEqual(['since', 'id', 'speed']);
    expect(columnsOf([], null).map(({ name }) => name)).toEqual(['table', 'id', 'since']);
  });

  it('are left towards what is within the grid alone', () => {
    const shape = { rows: 3, columns: 2 };
    expect(moved({ row: 1, column: 1 }, { row: 5, column: -Infinity }, shape)).toEqual({ row: 2, column: 0 });
    expect(moved({ row: 0, column: 0 }, { row: -1, column: 0 }, { rows: 0, columns: 0 })).toEqual({
      row: 0,
      column: 0,
    });
  });
});
