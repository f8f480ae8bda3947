import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, url, visit } from '../browser';

const issuer = process.env['MSR_ISSUER'] ?? '';
let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const soon = { timeout: 60_000, interval: 200 };

/** At the realm's page, with a password that is the name. */
async function giveNameTo(page: Page, name: string): Promise<void> {
  await page.getByLabel('Username or email').fill(name);
  await page.getByRole('textbox', { name: 'Password' }).fill(name);
  await page.getByRole('button', { name: 'Sign In' }).click();
}

async function begin(query = ''): Promise<{ page: Page; troubles: string[] }> {
  const { page, troubles } = await visit(browser, null, query);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await giveNameTo(page, 'alice');
  await expect.poll(() => page.getByRole('navigation', { name: 'Views' }).count(), soon).toBe(1);
  return { page, troubles };
}

/** The renewals that the page has asked the realm for. */
function renewalsOf(page: Page): string[] {
  const seen: string[] = [];
  page.on('request', (request) => {
    const body = request.postData() ?? '';
    if (request.url().startsWith(issuer) && body.includes('grant_type=refresh_token')) seen.push(body);
  });
  return seen;
}

const elsewhere = (troubles: string[]): string[] =>
  troubles.filter((one) => !one.startsWith(`elsewhere: ${new URL(issuer).origin}`));

describe('signing in at the realm', () => {
  it('shows the replay to whoever signed in, where the address led, and renews the token unseen', async () => {
    const { page, troubles } = await begin('?view=sessions&speed=5');
    const renewals = renewalsOf(page);
    expect(page.url()).toBe(`${url}/?view=sessions&speed=5`);
    expect(await page.getByRole('button', { name: /alice/ }).count()).toBe(1);
    await expect.poll(() => renewals.length, soon).toBeGreaterThan(0);
    const asked = page.waitForResponse((response) => response.url().includes('/replay/range'));
    expect((await asked).status()).toBe(200);
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(elsewhere(troubles)).toEqual([]);
    await page.context().close();
  });

  it('asks to sign in again in place when the realm has ended it; what was on the page stays', async () => {
    const { page } = await begin('?view=sessions');
    await page.getByRole('textbox', { name: /link or id/i }).fill('half a thought');
    const other = await page.context().newPage();
    await other.goto(`${issuer}/protocol/openid-connect/logout`);
    await other.getByRole('button', { name: 'Logout' }).click();
    await expect.poll(() => other.content(), soon).toContain('logged out');
    await other.close();

    const dialog = page.getByRole('dialog', { name: 'Your sign-in has ended' });
    await expect.poll(() => dialog.count(), soon).toBe(1);
    const opened = page.waitForEvent('popup');
    await dialog.getByRole('button', { name: 'Sign in again' }).click();
    await giveNameTo(await opened, 'alice');
    await expect.poll(() => dialog.count(), soon).toBe(0);
    expect(await page.getByRole('textbox', { name: /link or id/i }).inputValue()).toBe('half a thought');
    const asked = page.waitForResponse((response) => response.url().includes('/replay/range'));
    expect((await asked).status()).toBe(200);
    await page.context().close();
  });

  it('signs out here and at the realm', async () => {
    const { page } = await begin();
    await page.getByRole('button', { name: /alice/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await expect.poll(() => page.getByRole('button', { name: 'Sign in' }).count(), soon).toBe(1);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect.poll(() => page.getByLabel('Username or email').count(), soon).toBe(1);
    await page.context().close();
  });
});
