import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, endSessions, entities, get, launch, opened, soon, status, url, visit, tokens } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());
beforeEach(endSessions);

interface Kept {
  readonly playback: { readonly speed: number; readonly window: object | null };
  readonly bookmarks: readonly { readonly title: string }[];
}

/** Chromium says of each request that it could not be sent; everything else is a trouble. */
function isNetwork(trouble: string): boolean {
  return trouble.startsWith('console:') && trouble.includes('ERR_INTERNET_DISCONNECTED');
}

const notice = (page: Page) => page.getByRole('status').filter({ hasText: 'What is buffered can' });

/** Whether the moment at the playhead is in the buffer, as the time bar shows it. */
async function isBuffered(page: Page): Promise<boolean> {
  const bar = page.getByRole('region', { name: 'Time bar' });
  const head = (await bar.locator('[role=slider]').boundingBox())!;
  const at = head.x + head.width / 2;
  const parts = await Promise.all((await bar.locator('.buffer div').all()).map((one) => one.boundingBox()));
  return parts.some((part) => part !== null && part.x < at && at < part.x + part.width);
}

describe('what goes wrong, and what takes long', () => {
  it('says that it is offline, replays what it has, and loses no work', async () => {
    const { page, troubles } = await opened(browser);
    await page.getByRole('button', { name: 'Sessions', exact: true }).click();
    await page.getByRole('button', { name: 'New session' }).click();
    await expect.poll(() => page.url(), soon).toContain('session=');
    const id = new URL(page.url()).searchParams.get('session')!;
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    const before = await entities(page);
    expect(before).toBeGreaterThan(0);
    const buffer = page.getByRole('region', { name: 'Time bar' }).locator('.buffer div');
    await expect.poll(() => buffer.count(), soon).toBeGreaterThan(0);
    const kept = (): Promise<Kept> => get<Kept>(`/session/${id}`);
    await expect.poll(async () => (await page.getByLabel('Progress').innerText()).length, soon).toBe(0);

    await page.keyboard.press('ArrowLeft'); // so that there is something to play
    await expect.poll(() => isBuffered(page), soon).toBe(true);

    await page.context().setOffline(true);
    await expect.poll(() => notice(page).count(), soon).toBe(1);
    await expect.poll(() => page.getByLabel('Progress').innerText(), soon).toBe('offline');
    // What is buffered is replayed as ever.
    const there = await at(page);
    await page.getByRole('button', { name: 'Play', exact: true }).click();
    await expect.poll(() => at(page), soon).toBeGreaterThan(there + 1_000_000);
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await expect.poll(() => status(page), soon).toBe('paused');
    expect(await entities(page)).toBeGreaterThan(0);
    expect(await buffer.count()).toBeGreaterThan(0);
    // What is done meanwhile waits.
    await page.keyboard.press('[');
    await page.keyboard.press('+');
    await page.getByRole('button', { name: 'Story', exact: true }).click();
    const title = page.getByPlaceholder('Title');
    await title.fill('Seen while offline');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await expect.poll(() => troubles.some((one) => one.includes('/bookmarks')), soon).toBe(true);
    expect(await title.inputValue()).toBe('Seen while offline');
    expect((await kept()).playback).toMatchObject({ speed: 1, window: null });

    await page.context().setOffline(false);
    await expect.poll(() => notice(page).count(), soon).toBe(0);
    expect(await page.getByRole('alert').count()).toBe(0);
    await expect
      .poll(async () => (await kept()).playback, soon)
      .toMatchObject({ speed: 2, window: { start: expect.any(String) } });
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await expect
      .poll(async () => (await kept()).bookmarks.map((one) => one.title), soon)
      .toEqual(['Seen while offline']);
    // And what was not buffered comes.
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    await page.keyboard.press('End');
    const newest = await at(page);
    await expect.poll(async () => [await status(page), await at(page)], soon).toEqual(['paused', newest]);
    await page.keyboard.press('f');
    await expect.poll(() => at(page), soon).toBeGreaterThan(newest + 2_000_000);
    expect(troubles.filter((one) => !isNetwork(one))).toEqual([]);
    await page.context().close();
  });

  it('opens by itself once the server can be reached', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.route(/\/replay\//, (route) => route.abort('internetdisconnected'));
    await page.goto(`${url}/#token=${tokens.alice}`);
    await expect.poll(() => notice(page).count(), soon).toBe(1);
    const table = page.getByRole('region', { name: 'Entities' });
    expect(await table.innerText()).toContain('Offline: the server cannot be reached.');
    await page.unroute(/\/replay\//);
    await expect.poll(() => entities(page), soon).toBeGreaterThan(0);
    await expect.poll(() => status(page), soon).toBe('paused');
    expect(await notice(page).count()).toBe(0);
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.context().close();
  });

  it("shows an error in the server's words, with the id under which its log has it", async () => {
    const nothing = '00000000-0000-4000-8000-000000000000';
    const page = await (await browser.newContext()).newPage();
    const answering = page.waitForResponse((response) => response.url().endsWith(`/session/${nothing}`));
    await page.goto(`${url}/?session=${nothing}#token=${tokens.alice}`);
    const answer = await answering;
    expect(answer.status()).toBe(404);
    const { errorMessage } = (await answer.json()) as { errorMessage: string };
    const alert = page.getByRole('alert');
    await expect.poll(() => alert.count(), soon).toBe(1);
    expect(await alert.innerText()).toContain(errorMessage);
    const id = await answer.headerValue('X-Correlation-ID');
    expect(id).toBeTruthy();
    expect(await alert.innerText()).toContain(`Correlation id ${id}`);
    await page.context().close();
  });

  it('tells while it loads how many rows have come, and how large they are', async () => {
    const context = await browser.newContext();
    await context.addInitScript(() => {
      const said: string[] = [];
      Object.assign(globalThis, { said });
      new MutationObserver(() => {
        const text = document.querySelector('[aria-label=Progress]')?.textContent?.trim();
        if (text && said.at(-1) !== text) said.push(text);
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    const page = await context.newPage();
    await page.goto(`${url}/#token=${tokens.alice}`);
    await expect.poll(() => status(page), soon).toBe('paused');
    await expect.poll(() => page.getByLabel('Progress').innerText(), soon).toBe('');
    const said = await page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
    const told = said.map((text) => /^([\d,]+) rows?, ([\d,.]+) (B|kB|MB)$/.exec(text));
    expect(told.every((one) => one !== null)).toBe(true);
    const rows = Math.max(...told.map((one) => Number(one![1]!.replaceAll(',', ''))));
    expect(rows).toBeGreaterThanOrEqual(await entities(page));
    expect(told.some((one) => one![3] !== 'B' && Number(one![2]) > 1)).toBe(true);
    await context.close();
  });

  it('says that nothing is there where nothing is, and what to do', async () => {
    const { page, troubles } = await visit(browser, 'alice', '?tables=no.such');
    const table = page.getByRole('region', { name: 'Entities' });
    await expect.poll(() => table.innerText(), soon).toContain('No entity exists at this moment.');
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});

/** How much of a page moved by itself; the browser's own measure of it (https://wicg.github.io/layout-instability/). */
interface Shift {
  readonly value: number;
  readonly parts: readonly string[];
}

function watchShifts(context: BrowserContext): Promise<unknown> {
  return context.addInitScript(() => {
    type Entry = PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node: Node | null }[] };
    const seen: Shift[] = ((globalThis as unknown as { shifts: Shift[] }).shifts = []);
    const name = (node: Node | null): string => `${node?.nodeName}: ${node?.textContent?.trim().slice(0, 30)}`;
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput, sources } of list.getEntries() as Entry[]) {
        if (!hadRecentInput) seen.push({ value, parts: sources.map(({ node }) => name(node)) });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

describe('nothing jumps', () => {
  for (const width of [1280, 390]) {
    it(`while it opens, loads and plays: ${width} px`, async () => {
      const { page, troubles } = await opened(browser, 'alice', '', { viewport: { width, height: 800 } }, watchShifts);
      const region = page.getByRole('region', { name: 'Map', exact: true });
      await expect.poll(() => region.getByText(/^[1-9][\d,]* with a position/).count(), soon).toBe(1);
      await region.locator('.maplibregl-ctrl-scale').waitFor();
      const tools = (await region.getByRole('group', { name: 'What the map shows' }).boundingBox())!;
      if (width === 1280) expect(tools.height).toBeLessThan(60); // one line: the map keeps the room
      for (let turn = 0; turn < 3; turn++) await page.keyboard.press('ArrowLeft');
      await page.keyboard.press('Space');
      const start = await at(page);
      await expect.poll(() => at(page), soon).toBeGreaterThan(start + 8_000_000);
      const shifts = await page.evaluate(() => (globalThis as unknown as { shifts: Shift[] }).shifts);
      const most = shifts.filter(({ value }) => value > 0.002); // the times of the axis pass by, which is less
      expect(most).toEqual([]);
      expect(shifts.reduce((sum, { value }) => sum + value, 0)).toBeLessThan(0.01);
      expect(troubles).toEqual([]);
      await page.context().close();
    });
  }
});

describe('what comes first', () => {
  it('is what there is to see: the map begins once that is asked for', async () => {
    const asked: string[] = [];
    const listen = async (context: BrowserContext): Promise<void> =>
      void context.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const { page } = await visit(browser, 'alice', '', {}, listen);
    await page.locator('.maplibregl-ctrl-scale').waitFor();
    const map = asked.findIndex((path) => path.startsWith('/assets/world-'));
    expect(map).toBeGreaterThan(0);
    expect(asked.slice(0, map)).toEqual(expect.arrayContaining(['/replay/range', '/replay/tables']));
    await page.context().close();
  });
});
