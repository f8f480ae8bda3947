import { env } from '$env/dynamic/private';
import type { RequestEvent } from '@sveltejs/kit';
import { createReplayHandler } from 'msr-replay/sveltekit';

/** The bearer token of who asks, from where the application keeps it on its server. */
function getToken({ locals }: RequestEvent): string | undefined {
  return (locals as { accessToken?: string }).accessToken;
}

const handler = createReplayHandler<RequestEvent>({ url: () => env['MSR_URL'], getToken, scope: 'sessions' });

export { handler as DELETE, handler as GET, handler as PATCH, handler as POST };
