import { env } from '$env/dynamic/private';
import type { RequestEvent } from '@sveltejs/kit';
import { createReplayHandler } from 'msr-replay/sveltekit';

/** Passes the replay's routes on to MSR as whoever is signed in, and nothing else. */
const handler = createReplayHandler<RequestEvent>({
  url: () => env['MSR_URL'],
  getToken: ({ locals }) => locals.accessToken,
});

export { handler as DELETE, handler as GET, handler as PATCH, handler as POST };
