import { createReplay, type ReplayClient } from '../client/client';
import { MsrError } from '../client/errors';
import type { Ending, Filters } from '../client/rows';
import { Buffer, type Need } from '../fold/buffer';
import { Stretch } from '../fold/stretch';
import type { Instant, Interval } from '../instants';
import type { Change, Direction, Key } from '../fold/types';
import { World } from '../fold/world';
import { Answers } from './answers';
import { Counted, gather } from './gathering';
import { nextChange } from './searching';
import type { Channel } from './port';
import type { CallName, Calls, Content, EngineOptions, Said, Told, Wish } from './protocol';

/** The longest pause before what failed is tried again, seconds. */
const LONGEST_PAUSE = 15;

/** Fetches, folds and answers, in a thread of its own. It needs no network for what it holds. */
export class Engine {
  #client: ReplayClient | null = null;
  #world = new World();
  #buffer = new Buffer(this.#world.versions, 0);
  #answers = new Answers(this.#world, this.#buffer);
  #filters: Filters = {};
  #wish: Wish | null = null;
  #granted: Wish | null = null;
  #session: string | undefined;
  #loading: { need: Need; abort: AbortController } | null = null;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #cancelled = false;
  #incomplete = new Set<string>();
  #rules: Parameters<Calls['setRules']>[0] = {};
  #colouring: Parameters<Calls['setColouring']>[0] = { by: 'table' };
  #asked = 0;
  readonly #tokens = new Map<number, (token: string | undefined) => void>();

  constructor(
    private readonly channel: Channel<Told, Said>,
    private readonly makeClient: typeof createReplay = createReplay,
  ) {
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
        this.#cancelled = true;
        return this.#stopLoading();
      case 'call':
        return void this.#answer(said.number, said.name, said.args);
    }
  }

  #begin(options: EngineOptions): void {
    this.#client = this.makeClient({
      baseUrl: options.baseUrl,
      getToken: () => this.#askToken(false),
      renewToken: () => this.#askToken(true),
      getSession: () => this.#session,
    });
    this.#buffer = new Buffer(this.#world.versions, options.budgetBytes);
    this.#answers = new Answers(this.#world, this.#buffer);
  }

  /** Replay something else: nothing of what is held is of use. */
  #configure(content: Content): void {
    this.#stopLoading();
    this.#filters = content.filters;
    this.#world = new World(this.#world.version);
    this.#world.setRules(this.#rules);
    this.#world.setColouring(this.#colouring);
    this.#buffer = new Buffer(this.#world.versions, this.#buffer.budget);
    this.#answers = new Answers(this.#world, this.#buffer);
    this.#granted = null;
    this.#incomplete.clear();
    this.#tellBuffered();
    this.#pump();
  }

  #show(wish: Wish): void {
    this.#wish = wish;
    this.#cancelled = false;
    this.#grant();
    if (this.#loading && this.#isInVain(this.#loading.need, wish)) this.#stopLoading();
    this.#pump();
  }

  /** Fulfil the last wish, if that can be done without the network. */
  #grant(): void {
    const wish = this.#wish;
    const stretch = wish && this.#buffer.find(wish.at);
    if (!wish || !stretch || this.#granted === wish) return;
    this.#granted = wish;
    this.#world.goTo(stretch, wish.at);
    const frame = this.#world.frame([...this.#incomplete]);
    this.channel.send({ kind: 'frame', wish: wish.number, frame }, [
      frame.slots.buffer,
      frame.x.buffer,
      frame.y.buffer,
      frame.heading.buffer,
      frame.group.buffer,
      frame.changed.buffer,
    ]);
  }

  /** Whether what is being loaded is not on the way to what is wished for. */
  #isInVain(need: Need, wish: Wish): boolean {
    if (this.#buffer.find(wish.at)) return false;
    return wish.at < need.window.start || wish.at > need.window.end;
  }

  #pump(): void {
    const wish = this.#wish;
    if (!wish || !this.#client || this.#loading || this.#retry !== undefined || this.#cancelled) return;
    this.#trim();
    const need = this.#buffer.need(wish);
    if (!need) return;
    const abort = new AbortController();
    const loading = { need, abort };
    this.#loading = loading;
    void this.#load(this.#client, need, abort.signal)
      .then(() => this.#loaded(abort.signal))
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        abort.abort(); // of two answers the other one
        this.#failed(MsrError.of(error));
      })
      .finally(() => {
        if (this.#loading !== loading) return;
        this.#loading = null;
        this.#tellProgress(false);
        this.#pump();
      });
  }

  async #load(client: ReplayClient, need: Need, signal: AbortSignal): Promise<void> {
    const { window } = need;
    const [world, counted] = [this.#world, new Counted(() => this.#tellProgress(true, counted))];
    this.#tellProgress(true, counted);
    const events = gather(counted.follow((options) => client.events(window, this.#filters, { signal, ...options })));
    events.catch(() => undefined); // told of below
    if (need.kind === 'after') {
      const changes = await events;
      signal.throwIfAborted();
      this.#note(changes.ending);
      need.stretch.append(
        changes.changes.map((change) => world.add(change)),
        window.end,
      );
      this.#buffer.learn(changes.changes.length, window);
      return this.#put(need.stretch);
    }
    const state = gather(
      counted.follow((options) => client.state(window.start, this.#filters, { signal, ...options })),
    );
    const [before, changes] = await Promise.all([state, events]);
    signal.throwIfAborted();
    this.#note(before.ending);
    this.#note(changes.ending);
    const stretch = new Stretch(world.versions, window.start, world.base(before.changes));
    stretch.append(
      changes.changes.map((change) => world.add(change)),
      window.end,
    );
    this.#buffer.learn(changes.changes.length, window);
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

  #loaded(signal: AbortSignal): void {
    if (signal.aborted) return;
    if (this.#failures) this.channel.send({ kind: 'recovered' });
    this.#failures = 0;
    this.#grant();
    this.#trim();
    this.#tellBuffered();
  }

  /** Make room; only while the world stands where it is wished, so that what it stands on is not let go of. */
  #trim(): void {
    if (this.#wish && this.#wish.at === this.#world.at && this.#buffer.trim(this.#wish)) this.#restand();
  }

  #failed(error: MsrError): void {
    this.#failures++;
    const pause = error.about.retryAfter ?? Math.min(LONGEST_PAUSE, 2 ** (this.#failures - 1));
    const retryIn = error.isRetryable ? pause * 1000 : null;
    this.channel.send({ kind: 'failed', error: error.toJSON(), retryIn });
    if (retryIn === null) {
      this.#cancelled = true; // until something else is wished for
      return;
    }
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#pump();
    }, retryIn);
  }

  #stopLoading(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#loading?.abort.abort();
    this.#loading = null;
    this.#tellProgress(false);
  }

  #note(ending: Ending): void {
    for (const table of ending.incomplete) this.#incomplete.add(table);
  }

  #tellBuffered(): void {
    this.channel.send({ kind: 'buffered', intervals: this.#buffer.intervals, bytes: this.#buffer.bytes });
  }

  #tellProgress(loading: boolean, { rows, bytes }: { rows: number; bytes: number } = { rows: 0, bytes: 0 }): void {
    this.channel.send({ kind: 'progress', loading, progress: { rows, bytes } });
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
    entity: (key) => this.#answers.entity(key),
    entityAt: (slot) => this.#answers.entityAt(slot),
    labels: (slots) => this.#answers.labels(slots),
    rows: (query) => this.#answers.rows(query),
    trails: (slots, window) => this.#answers.trails(slots, window),
    step: (from, direction, key, reach) =>
      this.#answers.step(from, direction, key) ?? this.#stepBeyond(from, direction, key, reach),
    compare: async (a, b) => this.#answers.compare(a, b, await this.#stateAt(a), await this.#stateAt(b)),
  };

  /** The next change outside of what is held. */
  async #stepBeyond(from: Instant, direction: Direction, key: Key | null, reach: Interval): Promise<Instant | null> {
    const held = this.#buffer.find(from);
    const edge = held ? (direction > 0 ? held.end : held.start) : from;
    const client = this.#client;
    return (
      client && nextChange((window) => client.events(window, this.#filters), { from, edge, direction, key, reach })
    );
  }

  /** The whole state at an instant: what is held, or asked of the server. */
  async #stateAt(at: Instant): Promise<Change[] | Stretch> {
    const held = this.#buffer.find(at);
    if (held || !this.#client) return held ?? [];
    return (await gather(new Counted(() => undefined).follow((o) => this.#client!.state(at, this.#filters, o))))
      .changes;
  }
}
