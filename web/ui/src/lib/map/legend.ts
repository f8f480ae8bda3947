import type { Frame } from '../worker/protocol';

/** What a colour says; `index`: of the theme's groups. */
export interface Meaning {
  readonly index: number;
  readonly name: string;
}

/** What the colours say that are on the map. */
export function legendOf({ group, groups }: Pick<Frame, 'group' | 'groups'>): readonly Meaning[] {
  const seen = new Set(group);
  return groups.map((name, index) => ({ index, name: inWords(name) })).filter(({ index }) => seen.has(index));
}

function inWords(name: string): string {
  if (name === NO_VALUE) return 'no value';
  return name === '' ? 'empty' : name;
}

/** The group of entities whose column is null, or that have no such column. */
export const NO_VALUE = '–';
