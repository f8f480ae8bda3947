import { createReplay } from '../client/client';
import { MsrError } from '../client/errors';
import { Buffer, type Need } from '../fold/buffer';
import type { Stretch } from '../fold/stretch';
import type { Instant, Interval } from '../instants';
import type { Change, Direction, Key, Slot } from '../fold/types';
import { World } from '../fold/world';
import { Answers } from './answers';
import { arrive } from './arriving';
import { Beyond } from './beyond';
import type { Counted } from './gathering';
import { Loading } from './loading';
import type { Channel } from './port';
import { statesOf, Tails, type Tailed } from './tails';
import type { CallName, Calls, Content, EngineOptions, EntityView, Said, Told, Trail, Wish } from './protocol';

/** So many slots may be those of entities that are gone, beside three for each that lives. */
const SPARE = 200_000;

/** Fetches, folds and answers, in a thread of its own. It needs no network for what it holds. */
export class Engine {
  #world = new World();
  #buffer = new Buffer(this.#world.versions, 0);
  #answers = new Answers(this.#world, this.#buffer);
  #content: Content = { filters: {}, fields: null, tables: [] };
  #beyond: Beyond | null = null;
  #tails: Tails | null = null;
  #wish: Wish | null = null;
  #granted: Wish | null = null;
  #session: string | undefined;
  #need: Need | null = null;
  #incomplete = new Set<string>();
  #rules: Parameters<Calls['setRules']>[0] = {};
  #colouring: Parameters<Calls['setColouring']>[0] = { by: 'table' };
  #asked = 0;
  readonly #loading: Loading;
  readonly #tokens = new Map<number, (token: string | undefined) => void>();

  constructor(
    private readonly channel: Channel<Told, Said>,
    private readonly makeClient: typeof createReplay = createReplay,
    private readonly spare = SPARE,
  ) {
    this.#loading = new Loading(
      (told) => channel.send(told),
      () => this.#goOn(),
    );
    channel.listen((said) => this.#hear(said));
  }

  #hear(said: Said): void {
    switch (said.kind) {
      case 'begin':
        return this.#begin(said.options);
      case 'token':
        this.#tokens.get(said.number)?.(said.token);
        this.#tokens.delete(said.number);
        return;
      case 'session':
        this.#session = said.id;
        return;
      case 'show':
        return this.#show(said.wish);
      case 'cancel':
        return this.#loading.cancel();
      case 'call':
        return void this.#answer(said.number, said.name, said.args);
    }
  }

  #begin(options: EngineOptions): void {
    const client = this.makeClient({
      baseUrl: options.baseUrl,
      getToken: () => this.#askToken(false),
      renewToken: () => this.#askToken(true),
      getSession: () => this.#session,
    });
    this.#beyond = new Beyond(client, this.#content);
    this.#buffer = new Buffer(this.#world.versions, options.budgetBytes);
    this.#answers = new Answers(this.#world, this.#buffer);
  }

  /** Replay something else: nothing of what is held is of use. */
  #configure(content: Content): void {
    this.#loading.stop();
    this.#content = content;
    this.#beyond &&= new Beyond(this.#beyond.client, content);
    this.#tails =
      this.#beyond && new Tails(statesOf(this.#beyond.client, content.filters, () => this.#wish?.range.start ?? 0));
    this.#world = new World(this.#world.version, content.tables);
    this.#world.setRules(this.#rules);
    this.#world.setColouring(this.#colouring);
    this.#buffer = new Buffer(this.#world.versions, this.#buffer.budget);
    this.#granted = null; // until then what is asked is answered of the world that is still shown
    this.#incomplete.clear();
    this.#tellBuffered();
    this.#pump();
  }

  #show(wish: Wish): void {
    this.#wish = wish;
    this.#loading.allow();
    this.#grant();
    if (this.#loading.isLoading && this.#need && this.#isInVain(this.#need, wish)) this.#loading.stop();
    this.#pump();
  }

  /** Fulfil the last wish, if that can be done without the network. */
  #grant(): void {
    const wish = this.#wish;
    const stretch = wish && this.#buffer.find(wish.at);
    if (!wish || !stretch || this.#granted === wish) return;
    this.#granted = wish;
    this.#world.goTo(stretch, wish.at);
    if (this.#answers.world !== this.#world) this.#answers = new Answers(this.#world, this.#buffer);
    const frame = this.#world.frame([...this.#incomplete]);
    const { slots, x, y, heading, group, changed } = frame;
    const given = [slots, x, y, heading, group, changed].map(({ buffer }) => buffer);
    this.channel.send({ kind: 'frame', wish: wish.number, frame }, given);
  }

  /** Whether what is being loaded is not on the way to what is wished for. */
  #isInVain(need: Need, wish: Wish): boolean {
    if (this.#buffer.find(wish.at)) return false;
    return wish.at < need.window.start || wish.at > need.window.end;
  }

  /** Something has arrived, or may be tried again. */
  #goOn(): void {
    this.#grant();
    this.#tellBuffered();
    this.#pump();
  }

  #pump(): void {
    const [wish, beyond] = [this.#wish, this.#beyond];
    if (!wish || !beyond || this.#loading.isBusy || this.#trim()) return;
    const need = (this.#need = this.#buffer.need(wish));
    if (need) this.#loading.begin((signal, counted) => this.#load(beyond, need, signal, counted));
  }

  async #load(beyond: Beyond, need: Need, signal: AbortSignal, counted: Counted): Promise<void> {
    const { stretch, changes, incomplete } = await arrive(this.#world, beyond, { need, signal, counted });
    for (const table of incomplete) this.#incomplete.add(table);
    this.#buffer.learn(changes, need.window);
    this.#put(stretch);
  }

  #put(stretch: Stretch): void {
    this.#buffer.put(stretch);
    this.#restand();
  }

  #restand(): void {
    const { at } = this.#world;
    if (at !== null) this.#world.restand(this.#buffer.find(at));
  }

  /**
   * Make room; only while the world stands where it is wished, so that what it stands on is not let go of. Slots are
   * never freed one by one: whoever played past too many entities that are gone begins anew, which is what it returns.
   */
  #trim(): boolean {
    if (!this.#wish || this.#wish.at !== this.#world.at || !this.#buffer.trim(this.#wish)) return false;
    this.#restand();
    this.#tellBuffered();
    if (this.#world.entities.size <= 4 * this.#world.living + this.spare) return false;
    this.#configure(this.#content);
    return true;
  }

  #tellBuffered(): void {
    this.channel.send({ kind: 'buffered', intervals: this.#buffer.intervals, bytes: this.#buffer.bytes });
  }

  #askToken(renew: boolean): Promise<string | undefined> {
    const number = ++this.#asked;
    return new Promise((resolve) => {
      this.#tokens.set(number, resolve);
      this.channel.send({ kind: 'token', number, renew });
    });
  }

  async #answer(number: number, name: CallName, args: readonly unknown[]): Promise<void> {
    try {
      const call = this.#calls[name] as (...args: unknown[]) => unknown;
      const value = await call.apply(this.#calls, [...args]);
      this.channel.send({ kind: 'answer', number, value });
    } catch (error) {
      this.channel.send({ kind: 'answer', number, error: MsrError.of(error).toJSON() });
    }
  }

  readonly #calls: { [Name in CallName]: (...args: Parameters<Calls[Name]>) => unknown } = {
    configure: (content) => this.#configure(content),
    setRules: (rules) => {
      this.#rules = rules;
      this.#world.setRules(rules);
      this.#granted = null;
    },
    setColouring: (colouring) => {
      this.#colouring = colouring;
      this.#world.setColouring(colouring);
      this.#granted = null;
    },
    rules: () => Object.fromEntries(this.#world.rules),
    entity: (key) => this.#entity(key),
    entityAt: (slot) => this.#answers.entityAt(slot),
    labels: (slots) => this.#answers.labels(slots),
    rows: (query) => this.#answers.rows(query),
    trails: (slots, window) => this.#trails(slots, window),
    step: (from, direction, key, reach) =>
      this.#answers.step(from, direction, key) ?? this.#stepBeyond(from, direction, key, reach),
    compare: async (a, b) => this.#answers.compare(a, b, await this.#stateAt(a), await this.#stateAt(b)),
  };

  /** From memory, and what was before that from the server. */
  async #trails(slots: Uint32Array, window: Interval): Promise<readonly Trail[]> {
    const { entities, rules } = this.#answers.world;
    const trails = this.#answers.trails(slots, window);
    const held = this.#buffer.find(window.end);
    if (!held || held.start <= window.start || !this.#tails) return trails;
    const of = (slot: Slot): Tailed => ({
      key: entities.key(slot),
      source: rules.get(entities.table(slot))?.position ?? null,
    });
    return this.#tails.lengthen(trails, of, { start: window.start, end: held.start });
  }

  /** The next change outside of what is held. */
  async #stepBeyond(from: Instant, direction: Direction, key: Key | null, reach: Interval): Promise<Instant | null> {
    const held = this.#buffer.find(from);
    const edge = held ? (direction > 0 ? held.end : held.start) : from;
    return this.#beyond?.next({ from, edge, direction, key, reach }) ?? null;
  }

  /** An entity in full at the instant that is shown. */
  async #entity(key: Key): Promise<EntityView> {
    const { at } = this.#answers.world;
    const view = this.#answers.entity(key);
    return at === null || !this.#beyond ? view : this.#beyond.entity(view, at);
  }

  /** The whole state at an instant: what is held, or asked of the server. */
  async #stateAt(at: Instant): Promise<Change[] | Stretch> {
    const held = this.#beyond?.isWhole ? this.#buffer.find(at) : undefined;
    return held ?? this.#beyond?.state(at) ?? [];
  }
}
