import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, marker, url, visit } from '../browser';

/** The example application: `MSR_URL` is where it is, the worker is behind it. */
let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const soon = { timeout: 60_000, interval: 200 };

async function entities(page: Page): Promise<number> {
  return Number((await page.getByLabel('Number of entities').first().innerText()).replace(/\D/g, ''));
}

async function axe(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

describe('an application with the modlet', () => {
  it.each(['', 'parts', 'added'])('shows the recorded world at /%s, and sends the browser no token', async (path) => {
    const { page, troubles } = await visit(browser, null, path);
    const sent: Record<string, string>[] = [];
    page.on('request', (request) => sent.push(request.headers()));
    await expect.poll(() => entities(page), soon).toBeGreaterThan(10);
    expect(sent.filter((one) => 'authorization' in one)).toEqual([]);
    expect(await page.content()).not.toContain('eyJ');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('plays in the custom element, with its styles, under a strict policy', async () => {
    const { page, troubles } = await visit(browser, null, 'element');
    await expect.poll(() => entities(page), soon).toBeGreaterThan(10);
    const grid = page.locator('msr-replay').locator('.msr-replay');
    expect(await grid.evaluate((element) => getComputedStyle(element).display)).toBe('grid');
    expect(await grid.evaluate((element) => getComputedStyle(element).backgroundColor)).not.toBe('rgba(0, 0, 0, 0)');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('replays by its earlier names: lobby, moment, playing, pause, lobby', async () => {
    const { page, troubles } = await visit(browser, null, 'classic');
    const phase = (): Promise<string | null> =>
      page.getByRole('region', { name: 'After action review' }).getAttribute('data-phase');
    await page.getByRole('button', { name: 'Start a session' }).click();
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await expect.poll(phase, soon).toMatch(/playing|ended/);
    await expect.poll(async () => Number(await page.getByLabel('Entities').innerText()), soon).toBeGreaterThan(10);
    await page.getByLabel('Table', { exact: true }).selectOption('ops.weather');
    await expect
      .poll(() => page.getByRole('region', { name: 'Rows' }).innerText(), soon)
      .toContain(marker.key.split(':')[1]);
    expect(await axe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Return to lobby' }).click();
    expect(await phase()).toBe('lobby');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('passes nothing on but the replay', async () => {
    const statuses = await Promise.all(
      ['replay/range', 'admin/audit', 'admin/sources', 'replay/..%2fadmin/audit', 'health'].map(async (path) => {
        return (await fetch(`${url}/msr/api/${path}`)).status;
      }),
    );
    expect(statuses).toEqual([200, 404, 404, 404, 404]);
  });

  it('passes an id on that an address has to escape', async () => {
    const colon = marker.odd.indexOf(':');
    const [table, id] = [marker.odd.slice(0, colon), marker.odd.slice(colon + 1)];
    const get = async (path: string): Promise<unknown> => {
      const answer = await fetch(`${url}/msr/api/replay/${path}`);
      return answer.ok ? ((await answer.json()) as { data: unknown }).data : answer.status;
    };
    const found = async (): Promise<unknown> => {
      const { settled_until: end } = (await get('range')) as { settled_until: string };
      const start = new Date(Date.parse(end) - 3_600_000).toISOString();
      const window = new URLSearchParams({ start, end }).toString();
      return get(`entity/${table}/${encodeURIComponent(id)}?${window}`);
    };
    await expect.poll(found, soon).toMatchObject([{ entity_state: { station: id } }]);
  });

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('has nothing that axe finds, %s at %i px', async (colorScheme, width) => {
    const { page } = await visit(browser, null, '', { colorScheme, viewport: { width, height: 800 } });
    await expect.poll(() => entities(page), soon).toBeGreaterThan(10);
    if (process.env['MSR_SHOTS'])
      await page.screenshot({ path: `${process.env['MSR_SHOTS']}/host-${colorScheme}-${width}.png` });
    expect(await axe(page)).toEqual([]);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
    await page.context().close();
  });
});
