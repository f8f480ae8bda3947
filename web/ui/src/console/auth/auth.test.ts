import { beforeEach, describe, expect, it } from 'vitest';
import { GivenToken } from './given.svelte';

const token = (name: string): string =>
  ['{}', JSON.stringify({ preferred_username: name, active_tenant: { tenant_id: 't1', roles: ['tenant-admin'] } }), 'x']
    .map((part) => btoa(part).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''))
    .join('.');

describe('a token from the address', () => {
  beforeEach(() => {
    sessionStorage.clear();
    history.replaceState(null, '', `/?speed=2#token=${token('alice')}`);
  });

  it('leaves the address at once and stays in the tab', () => {
    const auth = new GivenToken();
    expect(location.href).not.toContain('token');
    expect(location.search).toBe('?speed=2');
    expect([auth.name, auth.tenant, auth.roles]).toEqual(['alice', 't1', ['tenant-admin']]);
    expect(new GivenToken().name).toBe('alice');
  });

  it('when refused, has all requests wait for the next one, which they then get', async () => {
    const auth = new GivenToken();
    const waiting = [auth.renewToken(), auth.renewToken()];
    expect(auth.standing).toBe('ended');
    const next = token('bob');
    await auth.signInAgain(`http://replay.example/#token=${next}`);
    expect(await Promise.all(waiting)).toEqual([next, next]);
    expect([auth.standing, auth.name]).toEqual(['good', 'bob']);
  });

  it('asks no more once it was put off, until it is asked for', async () => {
    const auth = new GivenToken();
    const waiting = auth.renewToken();
    auth.putOff();
    expect(await waiting).toBeUndefined();
    expect(await auth.renewToken()).toBeUndefined();
    expect(auth.standing).toBe('put off');
    auth.resume();
    expect(auth.standing).toBe('ended');
  });

  it('refuses what holds no token', async () => {
    await expect(new GivenToken().signInAgain('hello')).rejects.toThrow('no token');
  });
});
