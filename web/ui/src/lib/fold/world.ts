import type { Instant } from '../instants';
import type { Colouring, State, TableRule } from './types';
import { MOST_CHANGED, MOST_GROUPS, type Frame, type TableCount } from '../worker/protocol';
import { Entities } from './entities';
import { xOf, yOf } from './mercator';
import { detect, headingOf, placeOf } from './positions';
import { lengthened, Stretch, type Standing } from './stretch';
import type { Change } from './types';
import { NONE, Versions, type Version } from './versions';

/** So many rows of a table are looked at to find where its positions are; with more it is taken to have none. */
const SAMPLE = 20;
const OTHER = 'other';

/** The world at an instant: which version each entity holds. It moves within stretches, in either direction. */
export class World {
  readonly entities: Entities;
  readonly versions = new Versions();
  standing: Standing = new Int32Array(1024).fill(NONE);
  at: Instant | null = null;
  /** How many entities there were in the last frame. */
  living = 0;
  readonly rules = new Map<string, TableRule>();
  #given = new Set<string>();
  #samples = new Map<string, State[]>();
  #stretch: Stretch | null = null;
  /** The serials of the versions in the last frame; 0: none. */
  #shown = new Uint32Array();
  #colouring: Colouring = { by: 'table' };
  #groups = new Map<string, number>();
  #version: number;

  /**
   * @param version that of the last frame of the world before this one
   * @param tables those that have the first colours, in this order
   */
  constructor(version = 0, tables: readonly string[] = []) {
    this.#version = version;
    this.entities = new Entities(tables);
  }

  get version(): number {
    return this.#version;
  }

  /** A change as a version that a stretch can hold. */
  add(change: Change): Version {
    const slot = this.entities.slot(change.table, change.id);
    const version = this.versions.add(slot, change.op, change.at, change.state, change.bytes);
    if (change.state) this.#learn(change.table, change.state);
    this.#locate(version, this.rules.get(change.table));
    return version;
  }

  /** The versions of a state as a stretch begins with them. */
  base(state: Iterable<Version>): Standing {
    const base: Standing = new Int32Array(Math.max(1024, this.entities.size)).fill(NONE);
    for (const version of state) base[this.versions.slot[version]!] = version;
    return base;
  }

  /** Stand at an instant that a stretch holds. */
  goTo(stretch: Stretch, at: Instant): void {
    if (this.standing.length < this.entities.size) this.standing = lengthened(this.standing, this.entities.size);
    if (this.#stretch === stretch && this.at !== null && stretch.holds(this.at))
      stretch.move(this.standing, this.at, at);
    else stretch.standAt(at, this.standing);
    this.#stretch = stretch;
    this.at = at;
  }

  /** Something was let go of or joined: stand where it stands anew, from a keyframe. */
  restand(stretch: Stretch | undefined): void {
    this.#stretch = null;
    if (stretch && this.at !== null) this.goTo(stretch, this.at);
  }

  setRules(rules: Readonly<Record<string, TableRule>>): void {
    const before = this.#given;
    this.#given = new Set(Object.keys(rules));
    for (const [table, rule] of Object.entries(rules)) this.#use(table, rule);
    for (const table of before) if (!this.#given.has(table)) this.#detectAnew(table);
  }

  setColouring(colouring: Colouring): void {
    this.#colouring = colouring;
    this.#groups = new Map();
  }

  /** What is drawn, and what has changed since this was asked last. */
  frame(incomplete: readonly string[]): Frame {
    const { entities, versions, standing } = this;
    const size = entities.size;
    const [slots, x, y] = [new Uint32Array(size), new Float64Array(size), new Float64Array(size)];
    const [heading, group] = [new Float32Array(size), new Uint8Array(size)];
    const [alive, placed] = [new Uint32Array(entities.tables.length), new Uint32Array(entities.tables.length)];
    const byTable = this.#colouring.by === 'table';
    let count = 0;
    for (let slot = 0; slot < size; slot++) {
      const version = standing[slot]!;
      if (version === NONE || versions.states[version] === null) continue;
      const table = entities.tableOf[slot]!;
      alive[table]!++;
      const east = versions.x[version]!;
      if (east !== east) continue; // NaN: nowhere
      placed[table]!++;
      slots[count] = slot;
      x[count] = east;
      y[count] = versions.y[version]!;
      heading[count] = versions.heading[version]!;
      group[count++] = byTable ? Math.min(table, MOST_GROUPS) : this.#groupOf(versions.states[version]!);
    }
    this.living = alive.reduce((sum, one) => sum + one, 0);
    const tables: TableCount[] = entities.tables.flatMap((table, number) =>
      entities.has(number) ? [{ table, entities: alive[number]!, positioned: placed[number]! }] : [],
    );
    return {
      version: ++this.#version,
      at: this.at ?? 0,
      slots: slots.slice(0, count),
      x: x.slice(0, count),
      y: y.slice(0, count),
      heading: heading.slice(0, count),
      group: group.slice(0, count),
      groups: this.#groupNames(),
      changed: this.#changed(),
      tables,
      incomplete,
    };
  }

  #changed(): Uint32Array {
    const { standing, entities, versions } = this;
    const first = this.#shown.length === 0;
    if (first || this.#shown.length < entities.size) {
      const before = this.#shown;
      this.#shown = new Uint32Array(Math.max(1024, 2 * entities.size));
      this.#shown.set(before);
    }
    const [shown, changed] = [this.#shown, new Array<number>()];
    for (let slot = 0; slot < entities.size; slot++) {
      const version = standing[slot] ?? NONE;
      const serial = version === NONE ? 0 : versions.serial[version]!;
      if (serial === shown[slot]) continue;
      shown[slot] = serial;
      if (!first && changed.length <= MOST_CHANGED) changed.push(slot);
    }
    return Uint32Array.from(changed.length > MOST_CHANGED ? [] : changed);
  }

  #groupOf(state: State): number {
    const value = this.#colouring.by === 'column' ? state[this.#colouring.column] : undefined;
    const name = value == null ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value);
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    if (this.#groups.size >= MOST_GROUPS) return MOST_GROUPS;
    this.#groups.set(name, this.#groups.size);
    return this.#groups.size - 1;
  }

  #groupNames(): string[] {
    const names = this.#colouring.by === 'table' ? this.entities.tables : [...this.#groups.keys()];
    return names.length < MOST_GROUPS ? [...names] : [...names.slice(0, MOST_GROUPS), OTHER];
  }

  /** What was said of a table holds no longer: its rows are looked at as if they came now. */
  #detectAnew(table: string): void {
    const { versions, entities } = this;
    this.rules.delete(table);
    this.#samples.delete(table);
    for (let version = 0; version < versions.size; version++) {
      const slot = versions.slot[version]!;
      const state = versions.states[version];
      if (state && slot !== NONE && entities.table(slot) === table) this.#learn(table, state);
    }
  }

  #learn(table: string, state: State): void {
    const samples = this.#samples.get(table) ?? [];
    if (samples.length >= SAMPLE || this.#given.has(table) || this.rules.get(table)?.position) return;
    samples.push(state);
    this.#samples.set(table, samples);
    const found = detect(samples);
    if (found.position || !this.rules.has(table)) this.#use(table, found);
  }

  #use(table: string, rule: TableRule): void {
    this.rules.set(table, rule);
    const { versions, entities } = this;
    for (let version = 0; version < versions.size; version++) {
      const slot = versions.slot[version]!;
      if (slot !== NONE && entities.table(slot) === table) this.#locate(version, rule);
    }
  }

  #locate(version: Version, rule: TableRule | undefined): void {
    const state = this.versions.states[version] ?? null;
    const place = rule?.position && state ? placeOf(rule.position, state) : null;
    this.versions.x[version] = place ? xOf(place.lon) : NaN;
    this.versions.y[version] = place ? yOf(place.lat) : NaN;
    this.versions.heading[version] = rule && state ? headingOf(rule, state) : NaN;
  }
}
