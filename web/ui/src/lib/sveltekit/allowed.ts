/** What a browser may ask of the worker by way of the host: these methods of these addresses, and nothing else. */
const REPLAY: readonly (readonly [methods: string, path: string])[] = [
  ['GET', 'replay/{state|events|diff|live|range|activity|tables|coverage|export|clips}'],
  ['GET', 'replay/entity/*/*'],
  ['GET POST', 'session'],
  ['GET PATCH DELETE', 'session/*'],
  ['POST', 'session/*/{terminate|resume|marks|bookmarks}'],
  ['GET', 'session/*/{timeline|follow}'],
  ['DELETE', 'session/*/bookmarks/*'],
  ['GET', 'admin/settings'],
];

/** Beside them, for hosts that show the page of sessions; the worker asks for an administrator's role. */
const SESSIONS: typeof REPLAY = [
  ['GET', 'admin/sessions'],
  ['GET', 'admin/sessions/status'],
  ['POST', 'admin/sessions/terminate'],
];

/** Which routes are passed on. */
export type Scope = 'replay' | 'sessions';

/** Whether a method and the segments of a path, decoded, are passed on. */
export function isAllowed(method: string, segments: readonly string[], scope: Scope): boolean {
  const asked = method === 'HEAD' ? 'GET' : method;
  const routes = scope === 'sessions' ? [...REPLAY, ...SESSIONS] : REPLAY;
  return routes.some(([methods, path]) => methods.split(' ').includes(asked) && matches(path.split('/'), segments));
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.length === segments.length && pattern.every((part, index) => matchesPart(part, segments[index]!));
}

function matchesPart(part: string, segment: string): boolean {
  if (part === '*') return true;
  return part.startsWith('{') ? part.slice(1, -1).split('|').includes(segment) : part === segment;
}

/**
 * The segments of a path as the browser wrote it, decoded; null: it may mean another path to somebody on the way (dots,
 * slashes within a segment, control characters, what does not decode) and is refused.
 */
export function segmentsOf(path: string): string[] | null {
  try {
    const segments = path.split('/').map(decodeURIComponent);
    return segments.every(isPlain) ? segments : null;
  } catch {
    return null;
  }
}

function isPlain(segment: string): boolean {
  // A percent sign that is left would be decoded by whoever decodes twice.
  return segment !== '' && segment !== '.' && segment !== '..' && !/[/\\%\p{Cc}]/u.test(segment);
}
