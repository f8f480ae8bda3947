import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const soon = { timeout: 60_000, interval: 200 };
const SECOND = 1_000_000;

const slider = (page: Page) => page.getByRole('slider', { name: 'Position in time' });
const at = async (page: Page): Promise<number> => Number(await page.getByLabel('Playhead').getAttribute('data-at'));
const status = (page: Page): Promise<string> => page.getByLabel('Status', { exact: true }).innerText();

async function opened(...about: Parameters<typeof visit> extends [Browser, ...infer Rest] ? Rest : never) {
  const seen = await visit(browser, ...about);
  await expect.poll(() => status(seen.page), soon).toBe('paused');
  await slider(seen.page).waitFor();
  return seen;
}

describe('the time bar', () => {
  it('shows when much happened, and how much where the pointer is', async () => {
    const { page, troubles } = await opened();
    const box = (await page.getByRole('region', { name: 'Time bar' }).locator('canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.9, box.y + box.height / 2);
    await expect.poll(() => page.locator('.tip').innerText(), soon).toMatch(/\d+ changes in/);
    expect(await page.locator('.tip').innerText()).toMatch(/UTC/);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('scrubs by dragging, and looks closer by wheel and keys, down to a second', async () => {
    const { page, troubles } = await opened();
    const box = (await page.getByRole('region', { name: 'Time bar' }).locator('canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.8, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 5 });
    const middle = await at(page);
    await page.mouse.up();
    await page.mouse.wheel(0, -300);
    await expect.poll(() => at(page), soon).toBe(middle);
    for (let turn = 0; turn < 25; turn++) await page.keyboard.press('z');
    await expect.poll(() => page.getByRole('region', { name: 'Time bar' }).innerText(), soon).toContain('· 1 s ·');
    await slider(page).focus();
    await page.keyboard.press('ArrowRight');
    expect((await at(page)) - middle).toBe(SECOND / 200);
    await page.keyboard.press('0');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('marks a window, loops it, and keeps the time inside', async () => {
    const { page, troubles } = await opened();
    await page.keyboard.press('Shift+ArrowLeft');
    const start = await at(page);
    await page.keyboard.press('[');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press(']');
    const end = await at(page);
    await page.keyboard.press('o');
    for (let turn = 0; turn < 3; turn++) await page.keyboard.press('+');
    await page.keyboard.press(' ');
    const seen: number[] = [];
    await expect
      .poll(async () => {
        seen.push(await at(page));
        return seen.some((time, index) => index > 0 && time < seen[index - 1]!);
      }, soon)
      .toBe(true);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(start);
    expect(Math.max(...seen)).toBeLessThanOrEqual(end);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});

describe('playback', () => {
  it('steps to the next and the previous change', async () => {
    const { page, troubles } = await opened();
    await page.keyboard.press('Shift+ArrowLeft');
    const start = await at(page);
    await page.getByRole('button', { name: 'Next change', exact: true }).click();
    await expect.poll(() => at(page), soon).toBeGreaterThan(start);
    const next = await at(page);
    await page.keyboard.press(',');
    await expect.poll(() => at(page), soon).toBeLessThan(next);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('jumps to the newest and follows it', async () => {
    const { page, troubles } = await opened();
    await page.keyboard.press('Home');
    await page.getByRole('button', { name: 'Follow the newest' }).click();
    const first = await at(page);
    await expect.poll(() => at(page), soon).toBeGreaterThan(first + 2 * SECOND);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('goes to a time that is typed, and lists its keys under ?', async () => {
    const { page, troubles } = await opened();
    const start = await at(page);
    await page.keyboard.press('g');
    await page.getByRole('textbox', { name: /Time, in UTC/ }).fill('-20 s');
    await page.keyboard.press('Enter');
    await expect.poll(() => at(page), soon).toBe(start - 20 * SECOND);
    await page.keyboard.press('?');
    const help = page.getByRole('dialog', { name: 'Keys' });
    await help.waitFor();
    expect(await help.innerText()).toContain('Loop the window');
    await page.keyboard.press('Escape');
    await help.waitFor({ state: 'hidden' });
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('says its times in UTC or in the local zone', async () => {
    const { page } = await opened('alice', '', { timezoneId: 'Asia/Singapore' });
    await page.getByRole('button', { name: /Times are in UTC/ }).click();
    await page.getByRole('button', { name: /Times are in local time, UTC\+08:00/ }).waitFor();
    expect(await slider(page).getAttribute('aria-valuetext')).toContain('UTC+08:00');
    await page.context().close();
  });
});

describe('everybody can use it', () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 390]) {
      it(`axe finds nothing: ${colorScheme}, ${width} px`, async () => {
        const { page } = await opened('alice', '', { colorScheme, viewport: { width, height: 800 } });
        const parts = ['Time bar', 'Playback'].map((name) => `section[aria-label="${name}"]`);
        const found = await new AxeBuilder({ page }).include(parts[0]!).include(parts[1]!).analyze();
        expect(found.violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
        await page.keyboard.press('?');
        const help = await new AxeBuilder({ page }).include('dialog[open]').analyze();
        expect(help.violations.map((one) => one.id)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
        await page.context().close();
      });
    }
  }
});
