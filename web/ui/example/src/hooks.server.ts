import { env } from '$env/dynamic/private';
import type { Handle } from '@sveltejs/kit';

/** An application signs people in; this one is always signed in as whoever `MSR_TOKEN` names. */
export const handle: Handle = ({ event, resolve }) => {
  event.locals.accessToken = env['MSR_TOKEN'];
  return resolve(event);
};
