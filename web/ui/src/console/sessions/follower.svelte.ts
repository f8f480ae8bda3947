import { MsrError, unwrap, type Replay, type ReplayClient, type ServerEvent } from '../../lib';
import { show, type Session } from './playback';

/** After a connection was cut it is tried again so much later, milliseconds. */
const AGAIN = 2_000;

/** Shows what a presenter shows, until it is left or the presenter's session ends. */
export class Follower {
  /** Whose session is followed. */
  presenter = $state.raw<Session | null>(null);
  /** Why the presenter is not heard now. */
  error = $state.raw<MsrError | null>(null);
  /** The presenter that was followed until the session ended. */
  ended = $state.raw<Session | null>(null);
  #going: AbortController | undefined;

  constructor(
    private readonly replay: Replay,
    private readonly client: ReplayClient = replay.client,
  ) {}

  /**
   * Follow a session of the own tenant.
   *
   * @throws MsrError: there is none, or it has ended.
   */
  async follow(id: string): Promise<void> {
    this.leave();
    const going = new AbortController();
    const { data } = await unwrap(this.client.api.GET('/session/{id}', { params: { path: { id } } }));
    if (data.status !== 'ACTIVE') throw new MsrError('SESSION_TERMINATED', `${data.username}'s session has ended`);
    this.#going = going;
    this.presenter = data;
    this.ended = null;
    void this.#listen(id, going.signal);
  }

  leave(): void {
    this.#going?.abort();
    this.#going = undefined;
    this.presenter = null;
    this.error = null;
  }

  async #listen(id: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const event of this.client.follow(`/session/${id}/follow`, {}, signal)) {
          this.error = null;
          if (signal.aborted || (await this.#hear(event))) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.error = MsrError.of(error);
        if (this.error.code === 'SESSION_TERMINATED' || !this.error.isRetryable) return this.#end();
      }
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }

  /** Show what the presenter shows; says whether that was the last of it. */
  async #hear({ event, data }: ServerEvent): Promise<boolean> {
    if (event !== 'playback' && event !== 'end') return false;
    const session = JSON.parse(data) as Session;
    if (event === 'end') {
      this.#end();
      return true;
    }
    this.presenter = session;
    await show(this.replay, session.playback, true);
    return false;
  }

  #end(): void {
    const { presenter, error } = this;
    this.leave();
    this.ended = presenter;
    this.error = error?.code === 'SESSION_TERMINATED' ? null : error;
    this.replay.pause();
  }
}
