/**
 * What a browser may ask of the worker by way of the host: these methods of these addresses, and nothing else. `*` is a
 * segment without any surprise, `**` an entity's id, which may be any text.
 */
const REPLAY: readonly (readonly [methods: string, path: string])[] = [
  ['GET', 'replay/{state|events|diff|live|range|activity|tables|coverage|export|clips}'],
  ['GET', 'replay/entity/*/**'],
  ['GET POST', 'session'],
  ['GET PATCH DELETE', 'session/*'],
  ['POST', 'session/*/{terminate|resume|marks|bookmarks}'],
  ['GET', 'session/*/{timeline|follow}'],
  ['PATCH DELETE', 'session/*/bookmarks/*'],
  ['GET', 'admin/settings'],
];

/** Beside them, for hosts that show the page of sessions; the worker asks for an administrator's role. */
const SESSIONS: typeof REPLAY = [
  ['GET', 'admin/sessions'],
  ['GET', 'admin/sessions/status'],
  ['POST', 'admin/sessions/terminate'],
];

/** No route has more segments. */
export const MOST_SEGMENTS = Math.max(...[...REPLAY, ...SESSIONS].map(([, path]) => path.split('/').length));
/** Nobody has a reason to escape an id more often than this. */
const MOST_DECODED = 4;

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
  if (part === '*') return isPlain(segment);
  if (part === '**') return staysThere(segment);
  return part.startsWith('{') ? part.slice(1, -1).split('|').includes(segment) : part === segment;
}

/** The segments of a path as the browser wrote it, decoded; null: it does not decode. */
export function segmentsOf(path: string): string[] | null {
  try {
    return path.split('/').map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** Whether nobody on the way can take a segment for more, or for another path. */
function isPlain(segment: string): boolean {
  // A percent sign that is left would be decoded by whoever decodes twice.
  return segment !== '' && segment !== '.' && segment !== '..' && !/[/\\%\p{Cc}]/u.test(segment);
}

/** Whether a segment with slashes leads nowhere else, however often somebody on the way decodes it. */
function staysThere(segment: string): boolean {
  let text = segment;
  for (let times = 0; times <= MOST_DECODED; times++) {
    const parts = text.split(/[/\\]/);
    if (text === '' || parts.includes('.') || parts.includes('..') || /\p{Cc}/u.test(text)) return false;
    const next = decodedOnce(text);
    if (next === text) return true;
    text = next;
  }
  return false;
}

/** What can be decoded is; a percent sign that begins nothing stays. */
function decodedOnce(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escaped) => {
    try {
      return decodeURIComponent(escaped);
    } catch {
      return escaped.replace(/%[0-7][0-9a-f]/gi, decodeURIComponent); // not UTF-8, but for its ASCII
    }
  });
}
