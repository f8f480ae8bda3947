/** Of a request: everything else stays here, cookies and the browser's own authorization above all. */
const PASSED_ON = [
  'accept',
  'accept-language',
  'content-type',
  'if-none-match',
  'last-event-id',
  'range',
  'x-correlation-id',
  'x-session-id',
];

/** Of an answer: what belongs to one connection (RFC 9110, 7.6.1), and what the worker has to say to nobody but us. */
const KEPT_BACK = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'www-authenticate',
  'server',
  'content-security-policy',
  // fetch has decoded the body: these would lie about it
  'content-encoding',
  'content-length',
];

export function headersUp(from: Headers, token: string): Headers {
  const headers = new Headers({ Authorization: `Bearer ${token}` });
  for (const name of PASSED_ON) {
    const value = from.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}

export function headersDown(from: Headers): Headers {
  const headers = new Headers(from);
  const named = (from.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase());
  for (const name of [...KEPT_BACK, ...named.filter(isToken)]) headers.delete(name);
  for (const name of [...headers.keys()]) if (name.startsWith('access-control-')) headers.delete(name);
  return headers;
}

function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~\w-]+$/.test(name);
}
