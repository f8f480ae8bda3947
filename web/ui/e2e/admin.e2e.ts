import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endSessions, launch, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());
beforeEach(endSessions);

const soon = { timeout: 60_000, interval: 200 };

async function open(page: Page, tab: string): Promise<void> {
  await page.getByRole('tab', { name: tab }).click();
}

describe('administration', () => {
  it('shows sources with their connectors, lag and shards, and restarts one', async () => {
    const { page, troubles } = await visit(browser, 'root', '?view=admin');
    const source = page.getByRole('region', { name: /^Source / }).first();
    await expect.poll(() => source.innerText(), soon).toContain('RUNNING');
    await source.getByText(/tables, \d+ shards/).click();
    expect(await source.getByRole('row').count()).toBeGreaterThan(2);
    await source.getByRole('button', { name: 'Restart' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    await expect.poll(() => page.getByText('start anew').count(), soon).toBe(1);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it("saves a setting, and shows the server's words at the field of one that is not valid", async () => {
    const { page } = await visit(browser, 'root', '?view=admin');
    await open(page, 'Settings');
    const range = page.getByLabel('How far back a replay may reach');
    await expect.poll(() => range.count(), soon).toBe(1);
    await range.fill('0');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect.poll(() => range.getAttribute('aria-invalid'), soon).toBe('true');
    expect(await page.locator('#max_playback_range-wrong').innerText()).toContain('greater than 0');
    await range.fill('8');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect.poll(() => page.getByText('Saved', { exact: true }).count(), soon).toBe(1);
    await open(page, 'Audit');
    await expect.poll(() => page.getByText('settings.').count(), soon).toBeGreaterThan(0);
    await page.context().close();
  });

  it('terminates chosen sessions', async () => {
    const alice = await visit(browser, 'alice', '?view=sessions');
    await alice.page.getByRole('button', { name: 'New session' }).click();
    await expect.poll(() => alice.page.url(), soon).toContain('session=');
    const { page } = await visit(browser, 'admin', '?view=admin');
    await open(page, 'Sessions');
    const box = page.getByRole('checkbox', { name: "Choose alice's session" }).first();
    await expect.poll(() => box.count(), soon).toBe(1);
    await page.getByRole('button', { name: 'Choose all on this page' }).click();
    await page.getByRole('button', { name: /^Terminate/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Terminate' }).click();
    await expect.poll(() => page.getByText('No session is like that').count(), soon).toBe(1);
    await expect.poll(() => alice.page.getByText('Your session has ended').count(), soon).toBe(1);
    await alice.page.context().close();
    await page.context().close();
  });

  it('tells who may not, in which way, and shows dead letters to who may', async () => {
    const { page } = await visit(browser, 'alice', '?view=admin');
    await expect.poll(() => page.getByText('You may not see this').count(), soon).toBe(1);
    expect(await page.getByText(/this needs one of the roles/).count()).toBe(1);
    await page.context().close();
    const root = await visit(browser, 'root', '?view=admin');
    await open(root.page, 'Dead letters');
    await expect.poll(() => root.page.getByText('all that came is recorded').count(), soon).toBe(1);
    await root.page.context().close();
  });
});
