import type { Buffer } from '../fold/buffer';
import { labelOf, placeOf } from '../fold/positions';
import { Rows } from '../fold/rows';
import { Stretch } from '../fold/stretch';
import { keyOf, splitKey, type Change, type Direction, type Key, type Slot, type State } from '../fold/types';
import { NONE, type Version } from '../fold/versions';
import type { World } from '../fold/world';
import type { Instant, Interval } from '../instants';
import type { ChangedRow, Comparison, EntityRow, EntityView, RowsPage, RowsQuery, Trail } from './protocol';

/** What is asked about a world, answered from memory. */
export class Answers {
  readonly #rows: Rows;

  constructor(
    readonly world: World,
    private readonly buffer: Buffer,
  ) {
    this.#rows = new Rows(world);
  }

  rows(query: RowsQuery): RowsPage {
    return this.#rows.page(query, this.world.version);
  }

  entityAt(slot: Slot): EntityView | null {
    return slot < this.world.entities.size ? this.entity(this.world.entities.key(slot)) : null;
  }

  entity(key: Key): EntityView {
    const { world } = this;
    const slot = world.entities.find(key) ?? -1;
    const version = slot < 0 ? NONE : (world.standing[slot] ?? NONE);
    const { table, id } = splitKey(key);
    const lives = world.versions.lives(version);
    const state = lives ? world.versions.states[version]! : null;
    const rule = world.rules.get(table);
    const place = rule?.position && state ? placeOf(rule.position, state) : null;
    return {
      key,
      slot,
      table,
      id,
      state,
      op: version === NONE ? null : world.versions.op(version),
      since: version === NONE ? null : world.versions.at[version]!,
      lon: place?.lon ?? null,
      lat: place?.lat ?? null,
      label: labelOf(rule, id, state),
    };
  }

  labels(slots: Uint32Array): string[] {
    const { entities, standing, versions, rules } = this.world;
    return Array.from(slots, (slot) => {
      const version = standing[slot] ?? NONE;
      const state = version === NONE ? null : versions.states[version]!;
      return labelOf(rules.get(entities.table(slot)), entities.ids[slot]!, state);
    });
  }

  /** Where entities were within a window, up to where the world stands, as far as that is held. */
  trails(slots: Uint32Array, window: Interval): Trail[] {
    return Array.from(slots, (slot) => this.#trail(slot, window));
  }

  #trail(slot: Slot, window: Interval): Trail {
    const { versions, standing } = this.world;
    const found: Version[] = [];
    let version = standing[slot] ?? NONE;
    while (version !== NONE) {
      const placed = !Number.isNaN(versions.x[version]);
      if (placed && versions.at[version]! <= window.end) found.push(version);
      if (versions.at[version]! <= window.start) break;
      version = versions.previous[version]!;
    }
    found.reverse();
    const column = (from: Float64Array): Float64Array => Float64Array.from(found, (one) => from[one]!);
    return { slot, at: column(versions.at), x: column(versions.x), y: column(versions.y), whole: true };
  }

  /** The next change in what is held; null: there is none. */
  step(from: Instant, direction: Direction, key: Key | null): Instant | null {
    const slot = key === null ? null : this.world.entities.find(key);
    if (slot === undefined) return null;
    return this.buffer.find(from)?.nextChange(from, direction, slot) ?? null;
  }

  compare(a: Instant, b: Instant, stateA: Change[] | Stretch, stateB: Change[] | Stretch): Comparison {
    const [before, after] = [this.#rowsOf(a, stateA), this.#rowsOf(b, stateB)];
    const changed: ChangedRow[] = [];
    for (const [key, now] of after) {
      const then = before.get(key);
      const fields = then ? differing(then.state, now.state) : [];
      if (then && fields.length) {
        changed.push({ key, table: now.table, id: now.id, before: then.state, after: now.state, fields });
      }
    }
    return {
      a,
      b,
      created: [...after.values()].filter((row) => !before.has(row.key)),
      deleted: [...before.values()].filter((row) => !after.has(row.key)),
      changed,
    };
  }

  #rowsOf(at: Instant, state: Change[] | Stretch): Map<Key, EntityRow> {
    const found = new Map<Key, EntityRow>();
    if (!(state instanceof Stretch)) {
      for (const { table, id, at: since, state: own } of state) {
        const key = keyOf(table, id);
        if (own) found.set(key, { slot: this.world.entities.find(key) ?? -1, key, table, id, since, state: own });
      }
      return found;
    }
    const standing = new Int32Array(this.world.entities.size).fill(NONE);
    state.standAt(at, standing);
    for (const version of standing) {
      if (!this.world.versions.lives(version)) continue;
      const row = this.#rows.row(version);
      found.set(row.key, row);
    }
    return found;
  }
}

/** Names of the fields in which two states differ. */
export function differing(before: State, after: State): string[] {
  if (before === after) return [];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !alike(before[name], after[name]));
}

function alike(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));
}
