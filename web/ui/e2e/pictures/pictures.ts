import { writeFile } from 'node:fs/promises';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endSessions, launch, tokens, url, visit } from '../browser';

/** Where the documents have them. */
const FOLDER = '../../docs';
/** A document should not weigh more for one of them, bytes. */
const MOST = 250_000;
/** So long must have been recorded, or a time bar has nothing to show. */
const MINUTES = Number(process.env['MSR_MINUTES'] ?? 3);

const soon = { timeout: 60_000, interval: 200 };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

let browser: Browser;
/** The beginning of what is recorded, and how far it is settled, milliseconds. */
let start: number;
let end: number;
/** An aircraft that flies now. */
let flight: string;

async function get<Data>(path: string): Promise<Data> {
  const answer = await fetch(`${url}/replay/${path}`, { headers: { Authorization: `Bearer ${tokens.alice}` } });
  return ((await answer.json()) as { data: Data }).data;
}

const recorded = async (): Promise<number> => {
  const tables = await get<{ first_change_at: string | null }[]>('tables');
  start = Math.min(...tables.map((table) => Date.parse(table.first_change_at ?? '')).filter(Number.isFinite));
  end = Date.parse((await get<{ settled_until: string }>('range')).settled_until);
  return end - start;
};

beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

/** Seconds before the settled limit, as an address writes it. */
const ago = (seconds: number): string => new Date(end - seconds * 1000).toISOString();

/** How many pixels of the map are land: it is drawn some time after the sea, and nothing else says so. */
async function land(page: Page): Promise<number> {
  const colour = await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--msr-land'));
  const picture = (await page.getByRole('region', { name: 'Map' }).first().screenshot()).toString('base64');
  const desk = await page.context().newPage(); // an empty page, whose policy forbids nothing
  const found = await desk.evaluate(
    async ([picture, colour]) => {
      const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
      const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
      pen.fillStyle = colour!;
      pen.fillRect(0, 0, 1, 1);
      const wanted = new Uint32Array(pen.getImageData(0, 0, 1, 1).data.buffer)[0];
      pen.drawImage(bitmap, 0, 0);
      const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
      return new Uint32Array(data.buffer).filter((pixel) => pixel === wanted).length;
    },
    [picture, colour.trim()],
  );
  await desk.close();
  return found;
}

/** Put a picture of a page into the documents, once nothing on it changes any more. */
async function take(page: Page, name: string): Promise<void> {
  if (await page.getByRole('region', { name: 'Map' }).count()) {
    await expect.poll(() => land(page), soon).toBeGreaterThan(1000);
  }
  await page.mouse.move(0, 0);
  let now = await page.screenshot();
  const stands = async (): Promise<boolean> => {
    const before = now;
    now = await page.screenshot();
    return now.equals(before);
  };
  await expect.poll(stands, { timeout: 60_000, interval: 500 }).toBe(true);
  expect(now.length).toBeLessThan(MOST);
  await writeFile(`${FOLDER}/${name}.png`, now);
  await page.context().close();
}

/** The replay of a past moment with an aircraft selected. */
async function replay(options: BrowserContextOptions): Promise<Page> {
  const query = `?t=${ago(60)}&entity=${encodeURIComponent(flight)}`;
  const { page } = await visit(browser, 'alice', query, options);
  await expect.poll(() => page.getByLabel('Status', { exact: true }).innerText(), soon).toBe('paused');
  await page.getByLabel('Trail').selectOption('5 min');
  const inspector = page.getByRole('region', { name: 'Selected entity' });
  await expect.poll(() => inspector.innerText(), soon).toMatch(/\d+ of \d+/);
  await expect.poll(() => page.getByText('Loading').count(), soon).toBe(0);
  return page;
}

describe('pictures for the documents', () => {
  it(
    'show something: it has been recorded for a while',
    async () => {
      await expect
        .poll(recorded, { timeout: (MINUTES + 5) * 60_000, interval: 2_000 })
        .toBeGreaterThan(MINUTES * 60_000);
      const state = await get<{ entity_id: string }[]>(`state?tables=air.flight&fields=callsign&timestamp=${ago(60)}`);
      flight = `air.flight:${state.map(({ entity_id }) => entity_id).sort()[0]}`;
    },
    (MINUTES + 6) * 60_000,
  );

  it.each([
    ['console', {}],
    ['console-dark', { colorScheme: 'dark' }],
    ['console-phone', PHONE],
  ] as const)('of the replay: %s', async (name, options) => {
    await take(await replay(options), name);
  });

  it('of two moments compared', async () => {
    const { page } = await visit(browser, 'alice', `?view=compare&compare=${ago(90)}~${ago(60)}`);
    await expect.poll(() => page.getByRole('region', { name: 'Table of differences' }).count(), soon).toBe(1);
    await expect.poll(() => page.getByText('say where they are').innerText(), soon).not.toMatch(/^0 /);
    await page
      .getByRole('region', { name: 'Differences' })
      .getByRole('combobox', { name: 'Table' })
      .selectOption('sea.vessel');
    await page.getByRole('button', { name: 'Cluster' }).click();
    await take(page, 'compare');
  });

  it('of a story', async () => {
    const told = [
      ['First contact', 'The patrol reports an unknown vessel in the eastern approach.', 120],
      ['Intercept ordered', 'Half a minute after the report. Who could see it by then?', 90],
      ['All clear', '', 60],
    ] as const;
    const context = { viewport: { width: 1280, height: 800 } };
    const page = await (await browser.newContext(context)).newPage();
    const bookmarks = told.map(([title, note, seconds], rank) => {
      return { id: String(rank), at: (end - seconds * 1000) * 1000, title, note, rank: rank + 1 };
    });
    await page.addInitScript((text) => localStorage.setItem('msr.bookmarks.alice', text), JSON.stringify(bookmarks));
    await page.goto(`${url}/?view=story&t=${ago(90)}#token=${tokens.alice}`);
    await expect.poll(() => page.getByText('Intercept ordered').count(), soon).toBeGreaterThan(0);
    for (const title of ['First contact', 'Intercept ordered']) {
      await page.getByRole('button', { name: 'Next bookmark' }).click();
      await expect.poll(() => page.getByRole('heading', { name: title, level: 3 }).count(), soon).toBeGreaterThan(0);
    }
    await take(page, 'story');
  });

  it('of sessions', async () => {
    await endSessions();
    const { page } = await visit(browser, 'alice', `?view=sessions&t=${ago(60)}`);
    await page.getByRole('button', { name: 'New session' }).click();
    await expect.poll(() => page.url(), soon).toContain('session=');
    await expect.poll(() => page.getByRole('row').count(), soon).toBeGreaterThan(1);
    await take(page, 'sessions');
    await endSessions();
  });

  it('of administration', async () => {
    const { page } = await visit(browser, 'root', '?view=admin');
    await expect
      .poll(
        () =>
          page
            .getByRole('region', { name: /^Source / })
            .first()
            .innerText(),
        soon,
      )
      .toContain('RUNNING');
    await page
      .getByText(/tables, \d+ shards/)
      .first()
      .click();
    await take(page, 'admin');
  });
});
