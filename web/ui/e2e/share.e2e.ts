import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, url, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const soon = { timeout: 60_000, interval: 200 };

describe('sharing', () => {
  it('gives a link that opens the same moment', async () => {
    const { page, troubles } = await visit(browser);
    await expect.poll(() => page.url(), soon).toContain('t=');
    await page.keyboard.press('s');
    const dialog = page.getByRole('dialog', { name: 'Share' });
    const link = await dialog.getByLabel('Link to this moment').inputValue();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await expect.poll(() => dialog.getByText('Copied').count(), soon).toBe(1);
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(link);
    const again = await visit(browser, 'alice', link.slice(url.length + 1));
    const moment = new URL(link).searchParams.get('t');
    const shown = again.page.getByLabel('Playhead').locator('time').first();
    await expect.poll(() => shown.getAttribute('datetime'), soon).toBe(moment);
    expect(troubles).toEqual([]);
    await again.page.context().close();
    await page.context().close();
  });

  it('exports the window as a clip that says how many rows it has', async () => {
    const { page, troubles } = await visit(browser);
    await expect.poll(() => page.url(), soon).toContain('t=');
    await page.getByRole('button', { name: 'Share' }).click();
    const dialog = page.getByRole('dialog', { name: 'Share' });
    const arriving = page.waitForEvent('download');
    await dialog.getByRole('button', { name: 'Export' }).click();
    const file = await arriving;
    expect(file.suggestedFilename()).toMatch(/^msr-.*\.ndjson$/);
    const lines = (await readFile(await file.path(), 'utf8')).trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(10);
    expect(JSON.parse(lines.at(-1) ?? '')).toHaveProperty('count');
    await expect.poll(() => dialog.getByText('is in your downloads').count(), soon).toBe(1);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
