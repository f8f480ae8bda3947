import { MsrError, unwrap, type BookmarkStore, type Replay, type ReplayClient } from '../../lib';
import { SessionBookmarks } from './bookmarks';
import { isTick, keptOf, show, type Kept, type Session } from './playback';

/** What has changed is saved when nothing more has changed for so long, milliseconds. */
const QUIET = 800;
/** While it plays the playhead is told so often, milliseconds. */
const TICK = 2_000;
/** What could not be saved, but may be later, is tried again so much later, milliseconds. */
const AGAIN = 3_000;

/** Keeps the replay in a session of one's own: what changes is saved, and the session stays seen. */
export class SessionKeeper {
  /** The session that the replay is kept in. */
  current = $state.raw<Session | null>(null);
  /** Why the last change is not saved. */
  error = $state.raw<MsrError | null>(null);
  saving = $state.raw(false);
  /** A session that ended while it was used: it was terminated, or not seen for too long. */
  ended = $state.raw<Session | null>(null);

  #saved: Kept | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;

  /** `without`: where bookmarks are kept while there is no session. */
  constructor(
    private readonly replay: Replay,
    private readonly without: BookmarkStore,
    private readonly client: ReplayClient = replay.client,
  ) {}

  /** Go on with a session; the replay shows what was kept in it. */
  async use(session: Session): Promise<void> {
    await show(this.replay, session.playback, false);
    await this.#take(session);
  }

  /**
   * Begin a session with what the replay shows.
   *
   * @throws MsrError: `SESSION_LIMIT_REACHED` among others.
   */
  async create(): Promise<Session> {
    const { data } = await unwrap(this.client.api.POST('/session', {}));
    const before = this.replay.bookmarks;
    await this.#take(data);
    this.#saved = null;
    for (const { at, title, note } of before) await this.replay.addBookmark(title, note, at);
    await this.save();
    return data;
  }

  /** Go on without; the session stays. */
  async leave(): Promise<void> {
    clearTimeout(this.#timer);
    await this.save();
    await this.#drop();
  }

  /** The session has ended. */
  async end(): Promise<void> {
    this.ended = this.current;
    await this.#drop();
    this.replay.error = null;
  }

  /** Called whenever something of the replay has changed: save it a little later. */
  changed(): void {
    if (!this.current) return;
    const wait = this.#saved && isTick(this.#saved, keptOf(this.replay)) && this.replay.playing ? TICK : QUIET;
    const due = Date.now() + wait;
    if (wait === TICK && this.#dueAt <= due) return;
    this.#dueAt = due;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), wait);
  }

  /** Save what has changed, now. */
  async save(): Promise<void> {
    this.#dueAt = Infinity;
    const { current } = this;
    if (!current || this.replay.playhead === 0) return;
    const kept = keptOf(this.replay);
    if (this.#saved && JSON.stringify(kept) === JSON.stringify(this.#saved)) return;
    this.saving = true;
    try {
      const tick = this.#saved !== null && isTick(this.#saved, kept);
      const saved = tick ? await this.#tell(current, kept) : await this.#write(current, kept);
      this.#saved = kept;
      if (this.current?.id === saved.id) this.current = saved;
      this.error = null;
    } catch (error) {
      const found = MsrError.of(error);
      if (found.code === 'SESSION_TERMINATED' || found.code === 'NOT_FOUND') await this.end();
      else this.#failed(found);
    } finally {
      this.saving = false;
    }
  }

  #failed(error: MsrError): void {
    this.error = error;
    if (!error.isRetryable) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), AGAIN);
  }

  /** The playhead alone. */
  async #tell(session: Session, kept: Kept): Promise<Session> {
    const params = { path: { id: session.id } };
    const body = { playhead: kept.playhead, occ_lock: null };
    return (await unwrap(this.client.api.PATCH('/session/{id}', { params, body }))).data;
  }

  /** All of it; where somebody (a second tab) was faster, once more: it is the same user's, the newest counts. */
  async #write(session: Session, kept: Kept): Promise<Session> {
    const params = { path: { id: session.id } };
    const write = async (lock: number): Promise<Session> => {
      const body = { ...kept, occ_lock: lock };
      return (await unwrap(this.client.api.PATCH('/session/{id}', { params, body }))).data;
    };
    try {
      return await write(session.occ_lock);
    } catch (error) {
      const lock = MsrError.of(error).about.details?.[0]?.['occ_lock'];
      if (typeof lock !== 'number') throw error;
      return write(lock);
    }
  }

  async #take(session: Session): Promise<void> {
    this.current = session;
    this.ended = null;
    this.error = null;
    this.#saved = keptOf(this.replay);
    await this.replay.useBookmarks(new SessionBookmarks(this.client, session.id, (read) => this.#learn(read)));
  }

  /** Each bookmark has raised the session's lock. */
  #learn({ id, occ_lock: lock }: Session): void {
    const { current } = this;
    if (current?.id === id && lock > current.occ_lock) this.current = { ...current, occ_lock: lock };
  }

  async #drop(): Promise<void> {
    this.current = null;
    this.#saved = null;
    clearTimeout(this.#timer);
    await this.replay.useBookmarks(this.without);
  }
}
