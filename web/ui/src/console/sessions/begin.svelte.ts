import { MsrError, unwrap, type BookmarkStore, type Replay } from '../../lib';
import type { Auth } from '../auth/auth.svelte';
import type { Router } from '../router.svelte';
import type { Sessions } from './context';
import { Follower } from './follower.svelte';
import { SessionKeeper } from './keeper.svelte';

/** What the page does with a replay's sessions. */
export interface SessionsOfPage extends Sessions {
  /** Go on with a session if it is one's own and has not ended, and follow it if it is another's. */
  open(id: string | undefined): Promise<void>;
}

/**
 * Keep a replay in sessions: what changes is saved, the address names the session. Call it where effects may be.
 * `bookmarks`: where they are kept while there is no session.
 */
export function keepInSessions(replay: Replay, router: Router, auth: Auth, bookmarks: BookmarkStore): SessionsOfPage {
  const keeper = new SessionKeeper(replay, bookmarks);
  const follower = new Follower(replay);
  let opened = $state(false);

  $effect(() => {
    const { playing, playhead, speed, direction, window, filters } = replay;
    void [playing, playhead, speed, direction, window, filters];
    keeper.changed();
  });
  $effect(() => {
    const session = keeper.current?.id ?? follower.presenter?.id;
    if (opened && router.link.session !== session) router.keep({ session });
  });
  $effect(() => {
    if (replay.error?.code === 'SESSION_TERMINATED' && keeper.current) void keeper.end();
  });

  async function open(id: string | undefined): Promise<void> {
    try {
      if (id === undefined) return;
      const { data } = await unwrap(replay.client.api.GET('/session/{id}', { params: { path: { id } } }));
      if (data.username !== auth.name) await follower.follow(id);
      else if (data.status === 'ACTIVE') await keeper.use(data);
      else keeper.ended = data;
    } catch (error) {
      replay.error = MsrError.of(error);
    } finally {
      opened = true;
    }
  }

  return { keeper, follower, open };
}
