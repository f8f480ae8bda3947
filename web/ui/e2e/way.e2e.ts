import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, marker, soon, url, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

describe('the whole way from a row to the screen', () => {
  it('shows a row that the application wrote, in full', async () => {
    const { page, troubles } = await visit(browser, 'alice', `?entity=${marker.key}`);
    await expect.poll(() => page.getByLabel('Status', { exact: true }).innerText(), soon).toBe('paused');
    await page.keyboard.press('f'); // it may not be settled yet
    const inspector = page.getByRole('region', { name: 'Selected entity' });
    await expect.poll(() => inspector.innerText(), soon).toContain(String(marker.wind_kn));
    const entities = page.getByLabel('Number of entities');
    await expect.poll(async () => Number((await entities.innerText()).replace(/\D/g, '')), soon).toBeGreaterThan(10);
    expect(page.url()).not.toContain('token');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('tells the history of a row whose id an address has to escape', async () => {
    const { page, troubles } = await visit(browser, 'alice', `?entity=${encodeURIComponent(marker.odd)}`);
    await expect.poll(() => page.getByLabel('Status', { exact: true }).innerText(), soon).toBe('paused');
    await page.keyboard.press('f'); // it may not be settled yet
    const inspector = page.getByRole('region', { name: 'Selected entity' });
    await expect.poll(() => inspector.innerText(), soon).toContain('1 of 1');
    expect(await inspector.innerText()).toContain('created');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('plays, pauses and goes back, by keys', async () => {
    const { page, troubles } = await visit(browser);
    const playhead = page.getByLabel('Playhead');
    const at = async (): Promise<number> => Number(await playhead.getAttribute('data-at'));
    const status = page.getByLabel('Status', { exact: true });
    await expect.poll(() => status.innerText(), soon).toBe('paused');
    await page.keyboard.press('Home');
    const start = await at();
    await page.keyboard.press(' ');
    await expect.poll(at, soon).toBeGreaterThan(start + 500_000);
    await page.keyboard.press(' ');
    await expect.poll(() => status.innerText(), soon).toBe('paused');
    const there = await at();
    await page.keyboard.press('r');
    await page.keyboard.press(' ');
    await expect.poll(at, soon).toBeLessThan(there);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('opens the same moment again from its address', async () => {
    const { page } = await visit(browser);
    await expect.poll(() => page.url(), soon).toContain('t=');
    const address = page.url();
    const again = await visit(browser, 'alice', address.slice(url.length + 1));
    const moment = new URL(address).searchParams.get('t');
    await expect
      .poll(() => again.page.getByLabel('Playhead').locator('time').getAttribute('datetime'), soon)
      .toBe(moment);
    await again.page.context().close();
    await page.context().close();
  });

  it('tells who has no token how to get one', async () => {
    const { page, troubles } = await visit(browser, null);
    await expect.poll(() => page.getByRole('heading', { level: 1 }).innerText(), soon).toContain('MSR');
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
