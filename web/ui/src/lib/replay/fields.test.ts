import { describe, expect, it } from 'vitest';
import { fieldsOf, holdAll, colourOrder, placingFields, type KnownTable, type Shown } from './fields';

const SHIPS: KnownTable = {
  table_name: 'sea.ship',
  columns: ['id', 'lon', 'lat', 'course', 'name', 'cargo', 'log'],
  wide: ['log'],
  location: { kind: 'lonlat', columns: ['lon', 'lat'] },
};
const NOTES: KnownTable = { table_name: 'ops.note', columns: ['id', 'text'], wide: ['text'], location: null };
const MAP: Shown = { rules: {}, colouring: { by: 'table' }, parts: [] };

describe('the order of colours', () => {
  it('is that of names, those first that are on the map', () => {
    const tables = [NOTES, { ...SHIPS, table_name: 'sea.tug' }, SHIPS, { ...NOTES, table_name: 'air.note' }];
    expect(colourOrder(tables)).toEqual(['sea.ship', 'sea.tug', 'air.note', 'ops.note']);
  });
});

describe('the fields that are fetched', () => {
  it('are what the map draws: position, heading and label', () => {
    expect(fieldsOf([SHIPS], MAP)).toEqual(['course', 'lat', 'lon', 'name']);
  });

  it('are those of the rules that were chosen, and of the colour', () => {
    const rules = {
      'sea.ship': { position: { kind: 'wkt', field: 'log' }, heading: null, label: 'cargo' },
    } as const;
    expect(fieldsOf([SHIPS], { ...MAP, rules })).toEqual(['cargo', 'log']);
    expect(fieldsOf([SHIPS], { ...MAP, colouring: { by: 'column', column: 'cargo' } })).toContain('cargo');
  });

  it('are also what parts of the page show, as far as it is there', () => {
    expect(fieldsOf([SHIPS], { ...MAP, parts: [() => ['id', 'no such']] })).toEqual([
      'course',
      'id',
      'lat',
      'lon',
      'name',
    ]);
  });

  it('are all of a table of which no position is known, unless it is left out', () => {
    expect(fieldsOf([SHIPS, NOTES], MAP)).toEqual(['course', 'id', 'lat', 'lon', 'name', 'text']);
    expect(fieldsOf([SHIPS, NOTES], { ...MAP, tables: ['sea.ship'] })).toEqual(['course', 'lat', 'lon', 'name']);
  });

  it('are all where a part needs them, where nothing is known, and where that is as many', () => {
    expect(fieldsOf([SHIPS], { ...MAP, parts: [() => null] })).toBeNull();
    expect(fieldsOf([], MAP)).toBeNull();
    expect(fieldsOf([NOTES], MAP)).toBeNull();
    const many = Array.from({ length: 120 }, (_, number) => `c${number}`);
    const wide = { ...SHIPS, columns: [...SHIPS.columns, ...many] };
    expect(fieldsOf([wide], { ...MAP, parts: [() => many] })).toBeNull();
  });

  it('are for a comparison what places, turns and names an entity, and nothing of tables that are nowhere', () => {
    expect(placingFields([SHIPS, NOTES], { rules: {} })).toEqual(['course', 'lat', 'lon', 'name']);
    const rules = {
      'sea.ship': { position: { kind: 'wkt', field: 'log' }, heading: null, label: 'no such' },
    } as const;
    expect(placingFields([SHIPS, NOTES], { rules })).toEqual(['log']);
    expect(placingFields([SHIPS, NOTES], { rules: {}, tables: ['ops.note'] })).toEqual([]);
    const placed = Array.from({ length: 120 }, (_, number): KnownTable => {
      const columns = [`at${number}`];
      return { ...SHIPS, table_name: `s.t${number}`, columns, location: { kind: 'wkt', columns } };
    });
    expect(placingFields(placed, { rules: {} })).toEqual([]); // more than an address holds
  });

  it('are fetched anew only where some are missing', () => {
    expect(holdAll(null, ['a'])).toBe(true);
    expect(holdAll(['a', 'b'], ['b'])).toBe(true);
    expect(holdAll(['a'], ['a', 'b'])).toBe(false);
    expect(holdAll(['a'], null)).toBe(false);
  });
});
