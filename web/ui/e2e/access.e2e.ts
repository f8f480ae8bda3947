import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endSessions, inEveryLook, launch, soon, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());
beforeEach(endSessions);

const TABS = ['Sources', 'Sessions', 'Dead letters', 'Settings', 'Retention', 'Clips', 'Audit'];

/** What axe finds, and whether the page is wider than the screen. */
async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`));
  const wide = await page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth');
  return wide ? [...found, 'the page is wider than the screen'] : found;
}

/** What of the page is hard to read while the pointer is on one of its buttons, or on a row. */
async function hardToReadUnderPointer(page: Page): Promise<string[]> {
  const found: string[] = [];
  const buttons = page.locator('main button:enabled:not([role="grid"] *)').filter({ visible: true });
  expect(await buttons.count()).toBeGreaterThan(10);
  for (const one of [...(await buttons.all()), page.getByRole('row').nth(2)]) {
    await one.hover();
    const { violations } = await new AxeBuilder({ page }).withRules(['color-contrast']).analyze();
    found.push(...violations.flatMap(({ nodes }) => nodes.map((node) => node.html)));
  }
  return found;
}

async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['MSR_PICTURES'];
  if (folder) await page.screenshot({ path: `${folder}/${name.replaceAll(' ', '-')}.png` });
}

describe('for everybody, light and dark, wide and narrow', () => {
  it('sessions, sharing and administration have no fault that axe knows', async () => {
    const { page } = await visit(browser, 'root', '?view=sessions');
    const faults: Record<string, string[]> = {};
    const look = (name: string): Promise<void> =>
      inEveryLook(page, async ({ colorScheme, width }) => {
        const found = await faultsOf(page);
        const seen = `${name}-${colorScheme}-${width}`;
        if (found.length) faults[seen] = found;
        await picture(page, seen);
      });
    await page.getByRole('button', { name: 'New session' }).click();
    await expect.poll(() => page.getByText('in use here').count(), soon).toBe(1);
    await look('sessions');
    await page.getByRole('button', { name: 'Share' }).click();
    await expect.poll(() => page.getByRole('dialog').count(), soon).toBe(1);
    await look('share');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Terminate' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Terminate' }).click();
    await expect.poll(() => page.getByText('in use here').count(), soon).toBe(0);
    await page.getByRole('button', { name: 'Admin' }).click();
    for (const tab of TABS) {
      await page.getByRole('tab', { name: tab }).click();
      await expect.poll(() => page.getByText('Loading …').count(), soon).toBe(0);
      await look(tab);
    }
    expect(faults).toEqual({});
    await page.context().close();
  }, 300_000);

  it('what the pointer is on can be read, also where it is switched on', async () => {
    const { page } = await visit(browser, 'alice');
    await expect.poll(() => page.getByRole('row').count(), soon).toBeGreaterThan(5);
    const cluster = page.getByRole('button', { name: 'Cluster', exact: true });
    if ((await cluster.getAttribute('aria-pressed')) !== 'true') await cluster.click();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await hardToReadUnderPointer(page)).toEqual([]);
    }
    await page.context().close();
  }, 300_000);
});
