import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inEveryLook, launch, marker, soon, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

async function totalOf(page: Page): Promise<number> {
  const grid = page.getByRole('grid');
  await grid.waitFor({ timeout: soon.timeout });
  return Number(await grid.getAttribute('aria-rowcount')) - 1;
}

describe('table, inspector, compare and story', () => {
  it('finds an entity in the table, selects it by keys, and shows what it is and was', async () => {
    const { page, troubles } = await visit(browser);
    await expect.poll(() => totalOf(page), soon).toBeGreaterThan(10);
    const id = marker.key.slice(marker.key.indexOf(':') + 1);
    await page.getByRole('searchbox', { name: 'Search' }).fill(id);
    await expect.poll(() => totalOf(page), soon).toBeLessThan(10);
    await page.getByRole('grid').focus();
    await page.keyboard.press('Enter');
    const inspector = page.getByRole('region', { name: 'Selected entity' });
    await expect.poll(() => inspector.innerText(), soon).toContain(String(marker.wind_kn));
    await expect.poll(() => inspector.getByRole('listitem').count(), soon).toBeGreaterThan(0);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('compares the beginning with now: what is there has been created since', async () => {
    const { page, troubles } = await visit(browser, 'alice', '?view=compare');
    const go = page.getByRole('button', { name: 'Compare', exact: true }).last();
    await expect.poll(() => go.isEnabled(), soon).toBe(true);
    await go.click();
    const created = page.getByRole('button', { name: /^Created/ });
    await expect.poll(async () => Number((await created.innerText()).replace(/\D/g, '')), soon).toBeGreaterThan(0);
    expect(page.url()).toContain('compare=');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('tells a story of bookmarks, in the order that they are put in', async () => {
    const { page, troubles } = await visit(browser, 'alice', '?view=story');
    const add = page.getByRole('button', { name: 'Add' });
    await expect.poll(() => add.isEnabled(), soon).toBe(true);
    for (const title of ['One', 'Two']) {
      await page.getByPlaceholder('Title').fill(title);
      await add.click();
      await page.getByRole('button', { name: title, exact: true }).waitFor();
    }
    await page.getByRole('button', { name: 'Move up: Two' }).click();
    const titles = (): Promise<string[]> =>
      page.getByRole('list', { name: 'Bookmarks' }).locator('.title').allInnerTexts();
    await expect.poll(titles, soon).toEqual(['Two', 'One']);
    await page.getByRole('button', { name: 'Play the story' }).click();
    await expect.poll(() => page.getByRole('heading', { level: 3 }).innerText(), soon).toBe('Two');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  for (const view of ['', '?view=compare', '?view=story']) {
    it(`has nothing that axe finds, light and dark, wide and narrow: ${view || 'replay'}`, async () => {
      const { page } = await visit(browser, 'alice', view);
      await page.waitForLoadState('networkidle');
      await inEveryLook(page, async (look) => {
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => [look, id, nodes[0]?.html])).toEqual([]);
      });
      await page.context().close();
    });
  }
});
