import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endSessions, launch, opened, prepared, soon, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());
beforeEach(endSessions);

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

  it('shows a dead letter with its reason and its record, and records it once its cause is gone', async () => {
    const { refused, unreadable } = prepared<{ refused: string; unreadable: string }>('MSR_LETTERS');
    const { page, troubles } = await visit(browser, 'root', '?view=admin');
    await open(page, 'Dead letters');
    const letters = page.getByRole('region', { name: 'Dead letters', exact: true });
    const row = (code: string) => letters.getByRole('row').filter({ hasText: code });
    await expect.poll(() => row(refused).count(), soon).toBe(1);
    expect(await row(refused).innerText()).toMatch(/ops\.notice\s+3/);
    expect(await row(refused).innerText()).toContain('refused');
    await row(refused).getByText('Show').click();
    expect(await row(refused).innerText()).toContain('"text":"unwanted"');
    expect(await row(unreadable).innerText()).toMatch(/demo\.ops\.notice\/0@\d+/);

    await letters.getByRole('button', { name: 'Choose all on this page' }).click();
    await letters.getByRole('button', { name: 'Retry 2' }).click();
    const said = letters.getByText(/1 of 2 resolved/);
    await expect.poll(() => said.count(), soon).toBe(1);
    expect(await said.innerText()).toContain('Still kept');
    await expect.poll(() => row(refused).count(), soon).toBe(0);
    expect(await row(unreadable).count()).toBe(1);
    await letters.getByLabel('State').selectOption('recorded');
    await expect.poll(() => row(refused).getByText('recorded').count(), soon).toBeGreaterThan(0);
    expect(troubles).toEqual([]);

    // What is recorded is there to be replayed.
    const again = await opened(browser, 'alice', '?entity=ops.notice:3');
    await again.page.keyboard.press('f');
    const inspector = again.page.getByRole('region', { name: 'Selected entity' });
    await expect.poll(() => inspector.innerText(), soon).toContain('unwanted');
    await again.page.context().close();
    await page.context().close();
  });

  it('tells who may not, in which way', async () => {
    const { page } = await visit(browser, 'alice', '?view=admin');
    await expect.poll(() => page.getByText('You may not see this').count(), soon).toBe(1);
    expect(await page.getByText(/this needs one of the roles/).count()).toBe(1);
    await page.context().close();
  });
});
