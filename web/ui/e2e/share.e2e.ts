import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, soon, url, visit } from './browser';
import { drawn, legend, mapOf, shot, themed, withGraphicsCard } from './map';
import { decode } from './pixels';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

/** The entities that are nearest to the middle of the map. */
function near(page: Page): Promise<string[]> {
  return mapOf(page).locator('[aria-label="Nearest to the centre"]').locator('button').allTextContents();
}

describe('sharing', () => {
  it('gives a link that opens the same moment, and the same part of the map', async () => {
    const { page, troubles } = await visit(browser);
    await expect.poll(() => page.url(), soon).toMatch(/t=.*map=/);
    const scale = (one: Page): Promise<string> => mapOf(one).locator('.maplibregl-ctrl-scale').innerText();
    const fitted = await scale(page);
    await mapOf(page).getByRole('region', { name: 'Moving map' }).focus();
    // A key ends the movement of the one before it: each is waited for.
    await page.keyboard.press('+');
    await expect.poll(() => scale(page), soon).not.toBe(fitted);
    const place = page.url();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.url(), soon).not.toBe(place);
    let looked = '';
    await expect.poll(async () => looked === (looked = page.url()), { ...soon, interval: 1_000 }).toBe(true);
    const nearest = await near(page);
    await page.locator('h1').click();
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
    expect(await scale(again.page)).toBe(await scale(page));
    expect(nearest.length).toBeGreaterThan(0);
    await expect.poll(() => near(again.page), soon).toEqual(nearest);
    expect(troubles).toEqual([]);
    await again.page.context().close();
    await page.context().close();
  });

  for (const kind of ['gl', 'splat'] as const) {
    it(`saves the map as a picture, with land, sea and entities: ${kind}`, async () => {
      const { page, troubles } = await visit(browser, 'alice', '', {}, kind === 'gl' ? withGraphicsCard : undefined);
      await mapOf(page).locator(`[data-renderer=${kind}]`).waitFor({ timeout: soon.timeout });
      await drawn(page);
      await page.getByRole('button', { name: 'Share' }).click();
      const dialog = page.getByRole('dialog', { name: 'Share' });
      const arriving = page.waitForEvent('download');
      await dialog.getByRole('button', { name: 'Save the map as a picture' }).click();
      const file = await arriving;
      expect(file.suggestedFilename()).toMatch(/^msr-\d{8}T\d{6}Z\.png$/);
      await expect.poll(() => dialog.getByText('is in your downloads').count(), soon).toBe(1);
      await page.keyboard.press('Escape');
      const seen = await shot(page);
      const saved = decode(await readFile(await file.path()));
      expect(Math.abs(saved.width - seen.width)).toBeLessThanOrEqual(1);
      expect(Math.abs(saved.height - 32 - seen.height)).toBeLessThanOrEqual(1);
      const map = saved.upper(seen.height);
      for (const ground of ['land', 'sea']) {
        const colour = await themed(page, ground);
        expect(map.count(colour) / seen.count(colour), ground).toBeGreaterThan(0.9);
      }
      const colours = await legend(page);
      for (const table of ['air.flight', 'sea.vessel']) {
        expect(map.count(colours.get(table)!) / seen.count(colours.get(table)!), table).toBeGreaterThan(0.9);
      }
      expect(troubles).toEqual([]);
      await page.context().close();
    });
  }

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
