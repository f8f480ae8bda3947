import type { ReplayClient } from '../client/client';
import type { Filters } from '../client/rows';
import type { Change, State } from '../fold/types';
import type { Instant } from '../instants';
import { Counted, gather } from './gathering';
import type { Content, EntityView } from './protocol';
import { nextChange, type Search } from './searching';

/** So many whole states are kept. */
const MOST_KEPT = 200;

/** What is asked of the server because it is not held: all of a state, or what lies elsewhere in time. */
export class Beyond {
  readonly #kept = new Map<string, State>();

  constructor(
    readonly client: ReplayClient,
    private readonly content: Content,
  ) {}

  /** What is asked of the server: of each state what is shown of it. */
  get filters(): Filters {
    const { filters, fields } = this.content;
    return fields === null ? filters : { fields, ...filters };
  }

  /** Whether all fields of what is held are there. */
  get isWhole(): boolean {
    return this.content.fields === null;
  }

  /** The whole state at an instant. */
  async state(at: Instant): Promise<Change[]> {
    const ask = new Counted(() => undefined).follow((options) => this.client.state(at, this.content.filters, options));
    const changes: Change[] = [];
    await gather(ask, (change) => void changes.push(change));
    return changes;
  }

  /** The instant of the next change; null: there is none. */
  next(search: Search): Promise<Instant | null> {
    return nextChange((window) => this.client.events(window, this.filters), search);
  }

  /**
   * The view of an entity, its state with every field, which is asked for once a version.
   *
   * @param at an instant at which it is what the view says
   */
  async entity(view: EntityView, at: Instant): Promise<EntityView> {
    if (view.state === null || this.isWhole) return view;
    const version = `${view.since}@${view.key}`;
    const state = this.#kept.get(version) ?? (await this.#ask(view.key, at)) ?? view.state;
    this.#keep(version, state);
    return { ...view, state };
  }

  async #ask(key: string, at: Instant): Promise<State | null> {
    for await (const rows of this.client.state(at, { ...this.content.filters, entities: [key] })) {
      for (const row of rows) return row.entity_state;
    }
    return null;
  }

  /** The one that was asked for last is let go of last. */
  #keep(version: string, state: State): void {
    this.#kept.delete(version);
    this.#kept.set(version, state);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
  }
}
