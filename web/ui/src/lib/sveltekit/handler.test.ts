// @vitest-environment node
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createReplayHandler, type HandlerOptions, type ReplayEvent } from './handler';

/** A worker that says what it was asked, or does what a test tells it. */
let server: Server;
let base: string;
let asked: IncomingMessage[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());
beforeEach(() => {
  asked = [];
  answer = (_, response) => response.end('{"data":[]}');
});

const HOST = 'https://host.example';

/** As SvelteKit makes it of a request to `/aoh/msr/api/[...path]`. */
function event(path: string, init: RequestInit = {}): ReplayEvent {
  const request = new Request(`${HOST}/aoh/msr/api/${path}`, init);
  const url = new URL(request.url);
  const rest = url.pathname.startsWith('/aoh/msr/api/') ? url.pathname.slice('/aoh/msr/api/'.length) : '';
  let decoded = rest;
  try {
    decoded = rest.split('/').map(decodeURIComponent).join('/');
  } catch {
    // SvelteKit would have answered 400
  }
  return { request, url, params: { path: decoded } };
}

function handle(path: string, init?: RequestInit, options: Partial<HandlerOptions> = {}): Promise<Response> {
  return createReplayHandler({ url: base, getToken: () => 'secret', ...options })(event(path, init));
}

describe('the server-side handler', () => {
  it('adds the token, and lets neither cookies nor an authorization of the browser through', async () => {
    const headers = { Cookie: 'session=1', Authorization: 'Bearer stolen', 'X-Session-ID': 's1', 'X-Other': '1' };
    const response = await handle('replay/state?timestamp=2026-11-25T10:00:00Z', { headers });
    expect(response.status).toBe(200);
    expect(asked[0]!.url).toBe('/replay/state?timestamp=2026-11-25T10:00:00Z');
    expect(asked[0]!.headers).toMatchObject({ authorization: 'Bearer secret', 'x-session-id': 's1' });
    expect(asked[0]!.headers).not.toHaveProperty('cookie');
    expect(asked[0]!.headers).not.toHaveProperty('x-other');
  });

  it.each([
    ['GET', 'replay/events?start=a&end=b'],
    ['GET', 'replay/entity/air.flight/SQ%20321:a'],
    ['POST', 'session'],
    ['DELETE', 'session/4f9c'],
    ['POST', 'session/4f9c/terminate'],
    ['PATCH', 'session/4f9c/bookmarks/7a1e'],
    ['GET', 'admin/settings'],
  ])('passes %s %s on', async (method, path) => {
    expect((await handle(path, { method })).status).toBe(200);
    expect(asked[0]!.url).toBe(`/${path}`.replace('a:a', 'a%3Aa').replace(':a', '%3Aa'));
  });

  it.each([
    'a/b',
    '/',
    'a//b',
    '50%',
    '%2F',
    'who?',
    '#1',
    'a b',
    'Ærø 北',
    'a:b',
    'a\\:b',
    '{1}',
    '...',
    '.a/b.',
    '$&',
  ])('passes the id %s of an entity on as it is', async (id) => {
    expect((await handle(`replay/entity/sea.vessel/${encodeURIComponent(id)}?start=a`)).status).toBe(200);
    const [path, query] = asked[0]!.url!.split('?');
    expect(path!.split('/').map(decodeURIComponent)).toEqual(['', 'replay', 'entity', 'sea.vessel', id]);
    expect(query).toBe('start=a');
  });

  it.each([
    ['GET', 'replay/entity/sea.vessel/..%2F..%2F..%2Fadmin%2Faudit'],
    ['GET', 'replay/entity/sea.vessel/a%2F..%2Fb'],
    ['GET', 'replay/entity/sea.vessel/a%2F.'],
    ['GET', 'replay/entity/sea.vessel/..%5C..%5Cadmin'],
    ['GET', 'replay/entity/sea.vessel/%252e%252e%252fadmin'],
    ['GET', 'replay/entity/sea.vessel/%25252e%25252e%25252fadmin'],
    ['GET', 'replay/entity/sea.vessel/%25FF%252e%252e%252fadmin%25FF%252f%252e%252e'],
    ['GET', `replay/entity/sea.vessel/%${'25'.repeat(4000)}`],
    ['GET', `replay/entity/sea.vessel/1${'/'.repeat(4000)}`],
    ['GET', 'replay/entity/sea.vessel/a%0Ab'],
    ['GET', 'replay/entity/sea.vessel/a%2500'],
    ['GET', 'replay/entity/sea.vessel/'],
    ['GET', 'replay/entity/sea%2Fvessel/1'],
    ['GET', 'replay/entity/sea.vessel/a/b'],
    ['PUT', 'admin/settings'],
    ['POST', 'admin/retention/erase'],
    ['GET', 'admin/sessions'],
    ['GET', 'admin/audit'],
    ['GET', 'health'],
    ['POST', 'replay/state'],
    ['DELETE', 'session'],
    ['GET', 'replay'],
    ['GET', 'replay/state/'],
    ['GET', 'replay//state'],
    ['GET', 'replay/..%2fadmin/audit'],
    ['GET', 'session/..%2f..%2fadmin%2faudit'],
    ['GET', 'session/%2e%2e'],
    ['GET', 'session/..%5cadmin'],
    ['GET', 'session/%252e%252e%252fadmin'],
    ['GET', 'session/%00'],
    ['GET', 'session/%0d%0aHost:evil'],
    ['GET', 'session/%zz'],
    ['GET', '../../../admin/audit'],
    ['GET', 'https://elsewhere.example/replay/state'],
  ])('refuses %s %s, and asks nobody', async (method, path) => {
    const response = await handle(path, { method });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ errorCode: 'NOT_FOUND' });
    expect(asked).toEqual([]);
  });

  it('passes the sessions of all on only where the host asks for it', async () => {
    expect((await handle('admin/sessions', {}, { scope: 'sessions' })).status).toBe(200);
    expect((await handle('admin/audit', {}, { scope: 'sessions' })).status).toBe(404);
  });

  it('hands rows on as they come, not when all are there', async () => {
    let end: () => void = () => undefined;
    answer = (_, response) => {
      response.write('{"entity_id":"1"}\n');
      end = () => response.end('{"count":1}\n');
    };
    const reader = (await handle('replay/state')).body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('{"entity_id":"1"}\n');
    end();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('{"count":1}\n');
  });

  it('sends a body on, whole', async () => {
    const got = new Promise<string>((resolve) => {
      answer = async (request, response) => {
        let text = '';
        for await (const piece of request) text += String(piece);
        resolve(text);
        response.end('{}');
      };
    });
    const init = { method: 'POST', body: '{"title":"Ærø"}', headers: { 'Content-Type': 'application/json' } };
    await handle('session/4f9c/bookmarks', init);
    expect(await got).toBe('{"title":"Ærø"}');
  });

  it('keeps back what belongs to the connection to the worker, and its cookies', async () => {
    answer = (_, response) => {
      response.setHeader('Connection', 'keep-alive, X-Hop');
      response.setHeader('X-Hop', '1');
      response.setHeader('Set-Cookie', 'a=1');
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.setHeader('X-Settled-Until', '2026-11-25T10:00:00Z');
      response.end('{}');
    };
    const { headers } = await handle('replay/range');
    expect([...headers.keys()].sort()).toEqual(['date', 'x-settled-until']);
  });

  it('gives the answer of an error through, with its correlation id', async () => {
    answer = (_, response) => {
      response.writeHead(409, { 'X-Correlation-ID': 'c1' });
      response.end('{"errorCode":"SESSION_LIMIT_REACHED"}');
    };
    const response = await handle('session', { method: 'POST' });
    expect([response.status, response.headers.get('x-correlation-id')]).toEqual([409, 'c1']);
    expect(await response.json()).toEqual({ errorCode: 'SESSION_LIMIT_REACHED' });
  });

  it('refuses what another site has the browser send', async () => {
    const forged = { method: 'POST', headers: { Origin: 'https://evil.example' } };
    expect((await handle('session', forged)).status).toBe(403);
    expect((await handle('session', { method: 'POST', headers: { Origin: HOST } })).status).toBe(200);
    const told = { method: 'POST', headers: { 'Sec-Fetch-Site': 'cross-site' } };
    expect((await handle('session', told)).status).toBe(403);
    expect(asked).toHaveLength(1);
  });

  it('follows no redirect, which could lead anywhere with the token', async () => {
    answer = (_, response) => response.writeHead(302, { Location: '/admin/audit' }).end();
    expect((await handle('replay/range')).status).toBe(502);
    expect(asked).toHaveLength(1);
  });

  it.each([
    [401, 'UNAUTHORIZED', { getToken: () => undefined }],
    [503, 'SERVICE_UNAVAILABLE', { url: () => undefined }],
    [503, 'SERVICE_UNAVAILABLE', { url: 'http://127.0.0.1:1' }],
  ])('says %i %s in the words of the contract when it cannot ask', async (status, errorCode, options) => {
    const response = await handle('replay/range', {}, options);
    expect(response.status).toBe(status);
    const body = (await response.json()) as { correlationId: string };
    expect(body).toMatchObject({ errorCode });
    expect(body.correlationId).toBe(response.headers.get('x-correlation-id'));
  });
});
