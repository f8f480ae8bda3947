import type { DiffRow } from '../client/rows';
import { cellText } from '../fold/rows';
import { keyOf, type Key, type State } from '../fold/types';
import type { Comparison } from '../worker/protocol';

export const KINDS = ['created', 'changed', 'deleted'] as const;
export type Kind = (typeof KINDS)[number];

/** An entity that is not at the second instant what it was at the first. */
export interface Difference {
  readonly key: Key;
  readonly table: string;
  readonly id: string;
  readonly kind: Kind;
  /** As it is if it was created, as it was if it is deleted; of a changed one what is known of it now. */
  readonly state: State;
  /** Whether `state` may lack fields: it has those that place and name the entity. */
  readonly partial: boolean;
  /** Of a changed one, field by field. */
  readonly fields: readonly { readonly field: string; readonly before: unknown; readonly after: unknown }[];
  /** Fields that may have changed: what they were, or are, was never told. */
  readonly unknown: readonly string[];
}

/**
 * What the server says of one entity.
 *
 * @param partial whether it was asked for some fields alone
 */
export function ofRow(row: DiffRow, partial = false): Difference {
  const changed = Object.entries(row.changed ?? {});
  return {
    key: keyOf(row.table_name, row.entity_id),
    table: row.table_name,
    id: row.entity_id,
    kind: row.change,
    state: { ...Object.fromEntries(changed.map(([field, { after }]) => [field, after])), ...row.entity_state },
    partial: partial || row.change === 'changed',
    fields: changed.map(([field, { before, after }]) => ({ field, before, after })),
    unknown: row.unavailable_fields ?? [],
  };
}

/** What the engine found in its buffer. */
export function ofComparison({ created, changed, deleted }: Comparison): Difference[] {
  const whole = (kind: Kind, rows: Comparison['created']): Difference[] =>
    rows.map(({ key, table, id, state }) => ({ key, table, id, kind, state, partial: false, fields: [], unknown: [] }));
  const partly = changed.map(({ key, table, id, before, after, fields }): Difference => {
    const each = fields.map((field) => ({ field, before: before[field], after: after[field] }));
    return { key, table, id, kind: 'changed', state: after, partial: false, fields: each, unknown: [] };
  });
  return [...whole('created', created), ...partly, ...whole('deleted', deleted)];
}

export type Counts = Readonly<Record<Kind, number>>;

export function countsOf(differences: readonly Difference[]): Counts {
  const counts = { created: 0, changed: 0, deleted: 0 };
  for (const { kind } of differences) counts[kind]++;
  return counts;
}

/** What of them is looked at; nothing given: all. */
export interface Narrowing {
  readonly kinds: readonly Kind[];
  readonly table: string | null;
  /** In the id, or a field's name or value, in any case. */
  readonly text: string;
}

export function narrowed(differences: readonly Difference[], { kinds, table, text }: Narrowing): Difference[] {
  const wanted = text.trim().toLowerCase();
  return differences.filter(
    (one) =>
      kinds.includes(one.kind) && (table === null || one.table === table) && (wanted === '' || says(one, wanted)),
  );
}

function says({ id, state, fields }: Difference, wanted: string): boolean {
  const has = (value: unknown): boolean => cellText(value).toLowerCase().includes(wanted);
  if (has(id)) return true;
  if (fields.length) return fields.some(({ field, before, after }) => has(field) || has(before) || has(after));
  return Object.entries(state).some(([field, value]) => has(field) || has(value));
}
