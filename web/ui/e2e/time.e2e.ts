import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, inEveryLook, launch, opened as openedIn, prepared, soon, type visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const SECOND = 1_000_000;

const slider = (page: Page) => page.getByRole('slider', { name: 'Position in time' });

const opened = (...about: Parameters<typeof visit> extends [Browser, ...infer Rest] ? Rest : never) =>
  openedIn(browser, ...about);

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

describe('what the time bar shows beside the bars', () => {
  it('gaps, the settled limit, the live edge and what is buffered are seen, and said', async () => {
    const { page, troubles } = await opened();
    const bar = page.getByRole('region', { name: 'Time bar' });
    const said = bar.getByRole('list', { name: 'What the time bar shows' });
    const text = (): Promise<string | null> => said.textContent();
    await expect.poll(text, soon).toMatch(/Settled up to .* UTC; the live edge is .* later/s);
    await expect.poll(text, soon).toMatch(/Buffered, so that it is shown at once: .*, from .* to .* UTC/s);
    const { table } = prepared<{ table: string }>('MSR_SELDOM');
    await expect.poll(text, soon).toMatch(new RegExp(`Gap in the recording from [^:]*:[^:]*:[^(]*${table}`));
    expect(await text()).toContain('(not captured yet');

    const box = async (part: string) => (await bar.locator(part).first().boundingBox())!;
    const [track, settled, live] = [await box('.track'), await box('.track .settled'), await box('.track .live')];
    expect(settled.height).toBeGreaterThan(50);
    expect(settled.x).toBeGreaterThan(track.x + track.width / 2);
    expect(settled.x).toBeLessThanOrEqual(live.x + live.width);
    expect(live.x + live.width).toBeCloseTo(track.x + track.width, 0);
    const [buffer, playhead] = [await box('.buffer div'), await box('[role=slider]')];
    expect(buffer.width).toBeGreaterThan(1);
    const head = playhead.x + playhead.width / 2;
    expect(head).toBeGreaterThanOrEqual(buffer.x - 1);
    expect(head).toBeLessThanOrEqual(buffer.x + buffer.width + 1);

    // The table was not there at the beginning: that is hatched, and told at the pointer.
    await page.keyboard.press('Home');
    for (let turn = 0; turn < 3; turn++) await page.keyboard.press('z');
    await expect.poll(() => hatched(page), soon).toBeGreaterThan(20);
    await page.mouse.move(track.x + 10, track.y + 10);
    await expect.poll(() => bar.locator('.tip .gap').innerText(), soon).toMatch(/^Not recorded: .*not captured yet/);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});

/** So many of the first pixels of the bar have the colour of gaps. */
function hatched(page: Page): Promise<number> {
  return page.evaluate(() => {
    const section = document.querySelector('section[aria-label="Time bar"]')!;
    const canvas = section.querySelector('canvas')!;
    const gap = getComputedStyle(section).getPropertyValue('--msr-gap').trim();
    const [red, green, blue] = [1, 3, 5].map((place) => parseInt(gap.slice(place, place + 2), 16));
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, 40, 20);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
      const far = Math.abs(data[i]! - red!) + Math.abs(data[i + 1]! - green!) + Math.abs(data[i + 2]! - blue!);
      if (data[i + 3]! > 200 && far < 12) found++;
    }
    return found;
  });
}

describe('playback', () => {
  it('steps to the next and the previous change', async () => {
    const { page, troubles } = await opened();
    await page.keyboard.press('Shift+ArrowLeft');
    const start = await at(page);
    await page.getByRole('button', { name: 'Next change', exact: true }).click();
    await expect.poll(() => at(page), soon).toBeGreaterThan(start);
    const next = await at(page);
    await page.keyboard.press('.');
    await expect.poll(() => at(page), soon).toBeGreaterThan(next);
    await page.keyboard.press(','); // of a young history the first one may have none before it
    await expect.poll(() => at(page), soon).toBe(next);
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
  it('axe finds nothing, light and dark, wide and narrow', async () => {
    const { page } = await opened();
    const parts = ['Time bar', 'Playback'].map((name) => `section[aria-label="${name}"]`);
    await inEveryLook(page, async (look) => {
      const found = await new AxeBuilder({ page }).include(parts[0]!).include(parts[1]!).analyze();
      expect(found.violations.map((one) => [look, one.id, one.nodes[0]?.html])).toEqual([]);
      await page.keyboard.press('?');
      const help = await new AxeBuilder({ page }).include('dialog[open]').analyze();
      expect(help.violations.map((one) => [look, one.id])).toEqual([]);
      await page.keyboard.press('Escape');
      await expect.poll(() => page.locator('dialog[open]').count(), soon).toBe(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(look.width);
    });
    await page.context().close();
  });
});
