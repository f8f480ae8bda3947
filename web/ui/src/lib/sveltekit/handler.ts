import { isAllowed, MOST_SEGMENTS, segmentsOf, type Scope } from './allowed';
import { headersDown, headersUp } from './headers';

/** What the handler wants of SvelteKit's `RequestEvent`. */
export interface ReplayEvent {
  readonly request: Request;
  readonly url: URL;
  readonly params: Partial<Record<string, string>>;
}

export interface HandlerOptions<Event extends ReplayEvent = ReplayEvent> {
  /** Where the worker is: `() => env.MSR_URL`. */
  readonly url: string | (() => string | undefined);
  /** The bearer token of who asks; nothing: they are not signed in. */
  readonly getToken: (event: Event) => string | undefined | Promise<string | undefined>;
  /** `sessions` also passes on what the page of sessions asks. */
  readonly scope?: Scope;
  /** The name of the route's rest parameter, `[...path]`. */
  readonly parameter?: string;
  readonly fetch?: typeof fetch;
}

/**
 * A handler for `src/routes/…/[...path]/+server.ts`: passes the replay's routes on to the worker with a bearer token that
 * the browser never sees, and bodies as they come.
 *
 * ```ts
 * const handler = createReplayHandler<RequestEvent>({ url: () => env.MSR_URL, getToken: ({ locals }) => locals.token });
 * export { handler as GET, handler as POST, handler as PATCH, handler as DELETE };
 * ```
 */
export function createReplayHandler<Event extends ReplayEvent = ReplayEvent>(
  options: HandlerOptions<Event>,
): (event: Event) => Promise<Response> {
  return async (event) => {
    const { request } = event;
    const correlationId = crypto.randomUUID();
    const refuse = (status: number, code: string, message: string): Response =>
      refusal(status, code, message, correlationId);
    const path = pathOf(event, options.parameter ?? 'path');
    const segments = path === null ? null : segmentsOf(path);
    if (!segments || !isAllowed(request.method, segments, options.scope ?? 'replay')) {
      return refuse(404, 'NOT_FOUND', 'this address is not one of the replay');
    }
    if (isForged(event)) return refuse(403, 'FORBIDDEN', 'a page of another origin asked for it');
    const base = typeof options.url === 'function' ? options.url() : options.url;
    if (!base) return refuse(503, 'SERVICE_UNAVAILABLE', 'MSR_URL is not set on this server');
    const token = await options.getToken(event);
    if (!token) return refuse(401, 'UNAUTHORIZED', 'you are not signed in');
    const target = `${base.replace(/\/$/, '')}/${segments.map(encodeURIComponent).join('/')}${event.url.search}`;
    try {
      return passedDown(await (options.fetch ?? fetch)(target, passedUp(request, token)), refuse);
    } catch (error) {
      if (request.signal.aborted) throw error; // nobody waits any more
      return refuse(503, 'SERVICE_UNAVAILABLE', 'the replay cannot be reached');
    }
  };
}

/** The rest of the path as the browser wrote it: the end that is the parameter once it is decoded, as SvelteKit has. */
function pathOf(event: ReplayEvent, parameter: string): string | null {
  const rest = event.params[parameter];
  if (!rest) return null;
  const written = event.url.pathname.split('/');
  // How many segments it has is not known: among the parameter's slashes are those that were decoded.
  for (let count = 1; count <= MOST_SEGMENTS; count++) {
    const end = written.slice(-count).join('/');
    if (decoded(end) === rest) return end;
  }
  return null;
}

function decoded(path: string): string | null {
  try {
    return path.split('/').map(decodeURIComponent).join('/');
  } catch {
    return null;
  }
}

/** Whether another site's page had the browser send it, with the cookies that sign our user in. */
function isForged({ request, url }: ReplayEvent): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return false;
  const site = request.headers.get('sec-fetch-site');
  if (site !== null) return site !== 'same-origin';
  const origin = request.headers.get('origin');
  return origin !== null && origin !== url.origin;
}

function passedUp(request: Request, token: string): RequestInit {
  const body = request.method === 'GET' || request.method === 'HEAD' ? null : request.body;
  return {
    method: request.method,
    headers: headersUp(request.headers, token),
    redirect: 'manual',
    signal: request.signal,
    ...(body ? { body, duplex: 'half' } : {}),
  } as RequestInit;
}

function passedDown(answer: Response, refuse: (status: number, code: string, message: string) => Response): Response {
  if (answer.status >= 300 && answer.status < 400 && answer.status !== 304) {
    void answer.body?.cancel();
    return refuse(502, 'SERVICE_UNAVAILABLE', 'the replay answered with another address');
  }
  return new Response(answer.body, { status: answer.status, headers: headersDown(answer.headers) });
}

/** An error as the worker writes them. */
function refusal(status: number, errorCode: string, message: string, correlationId: string): Response {
  const now = new Date().toISOString();
  const errors = [{ message }];
  const body = { timestamp: now, correlationId, errorCode, errorMessage: message, message, errors, sent_at: now };
  return Response.json(body, { status, headers: { 'X-Correlation-ID': correlationId, 'Cache-Control': 'no-store' } });
}
