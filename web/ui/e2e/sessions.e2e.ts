import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endSessions, entities, get, launch, prepared, soon, tokens, url, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

beforeEach(endSessions);

async function ready(page: Page): Promise<void> {
  await expect.poll(() => page.getByRole('button', { name: 'New session' }).count(), soon).toBe(1);
}

async function create(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'New session' }).click();
  await expect.poll(() => page.url(), soon).toContain('session=');
  return new URL(page.url()).searchParams.get('session') ?? '';
}

interface Session {
  readonly playback: Record<string, unknown>;
  readonly bookmarks: readonly { readonly id: string; readonly title: string; readonly note: string }[];
}

const read = (id: string): Promise<Session> => get<Session>(`/session/${id}`);
const session = async (id: string): Promise<Record<string, unknown>> => (await read(id)).playback;

/** The titles of the story, as they are seen. */
async function story(page: Page): Promise<string[]> {
  await page.getByRole('button', { name: 'Story', exact: true }).click();
  const list = page.getByRole('list', { name: 'Bookmarks' });
  await list.waitFor();
  return list.locator('.title').allInnerTexts();
}

async function add(page: Page, title: string): Promise<void> {
  await page.getByPlaceholder('Title').fill(title);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('button', { name: title, exact: true }).waitFor();
}

/** The replay shows entities of these tables and of no others. */
async function shows(page: Page, tables: readonly string[]): Promise<void> {
  await page.getByRole('button', { name: 'Replay', exact: true }).click();
  const shown = async (): Promise<string[]> => {
    const options = page.getByRole('region', { name: 'Entities' }).locator('select').first().locator('option');
    return (await options.allInnerTexts()).slice(1).map((text) => text.replace(/ \(.*/, ''));
  };
  await expect.poll(() => entities(page), soon).toBeGreaterThan(0);
  expect((await shown()).toSorted()).toEqual([...tables].toSorted());
}

describe('a session', () => {
  it('keeps speed and window, and goes on with them in another browser', async () => {
    const { page, troubles } = await visit(browser, 'alice', '?view=sessions');
    await ready(page);
    const id = await create(page);
    await page.getByRole('heading', { level: 2 }).click();
    await page.keyboard.press('+');
    await page.keyboard.press('Shift+ArrowLeft');
    await page.keyboard.press('[');
    await expect.poll(() => session(id), soon).toMatchObject({ speed: 2, window: { start: expect.any(String) } });
    const kept = await session(id);
    const again = await visit(browser, 'alice', '?view=sessions');
    await ready(again.page);
    await again.page.getByRole('button', { name: 'Go on with it' }).first().click();
    await expect.poll(() => again.page.url(), soon).toContain(`session=${id}`);
    await expect.poll(() => session(id), soon).toMatchObject({ speed: 2, window: kept['window'] });
    expect(troubles).toEqual([]);
    expect(again.troubles).toEqual([]);
    await again.page.context().close();
    await page.context().close();
  });

  it('that was left goes on in another browser, with its story in its order and its filters', async () => {
    const { page, troubles } = await visit(browser, 'alice', '?tables=ops.weather&view=sessions');
    await ready(page);
    const id = await create(page);
    await page.getByRole('button', { name: 'Story', exact: true }).click();
    for (const title of ['One', 'Two', 'Three']) await add(page, title);
    await page.getByRole('button', { name: 'Edit: Two' }).click();
    await page.getByRole('textbox', { name: 'Note' }).fill('what was decided');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect.poll(async () => (await read(id)).bookmarks[1]?.note, soon).toBe('what was decided');
    const ids = (await read(id)).bookmarks.map((one) => one.id);
    await page.getByRole('button', { name: 'Move up: Three' }).click();
    const titles = async (): Promise<string[]> => (await read(id)).bookmarks.map((one) => one.title);
    await expect.poll(titles, soon).toEqual(['One', 'Three', 'Two']);
    await page.getByRole('button', { name: 'Move down: One' }).click();
    await expect.poll(titles, soon).toEqual(['Three', 'One', 'Two']);
    expect((await read(id)).bookmarks.map((one) => one.id)).toEqual([ids[2], ids[0], ids[1]]);
    await expect.poll(() => session(id), soon).toMatchObject({ filters: { tables: ['ops.weather'] } });
    await page.getByRole('button', { name: 'Sessions', exact: true }).click();
    await page.getByRole('button', { name: 'Go on without it' }).click();
    await expect.poll(() => page.url(), soon).not.toContain('session=');
    expect(troubles).toEqual([]);
    await page.context().close();

    const again = await visit(browser, 'alice', '?view=sessions');
    await ready(again.page);
    await again.page.getByRole('button', { name: 'Go on with it' }).first().click();
    await expect.poll(() => again.page.url(), soon).toContain(`session=${id}`);
    await expect.poll(() => story(again.page), soon).toEqual(['Three', 'One', 'Two']);
    expect(await again.page.getByRole('list', { name: 'Bookmarks' }).innerText()).toContain('what was decided');
    await shows(again.page, ['ops.weather']);
    expect(again.troubles).toEqual([]);
    await again.page.context().close();
  });

  it('that ended because nobody saw it is resumed, with what was kept in it', async () => {
    const ended = prepared<{ id: string; tables: string[]; titles: string[] }>('MSR_ENDED');
    const { page, troubles } = await visit(browser, 'admin', '?view=sessions');
    await ready(page);
    await expect.poll(() => page.getByText('Ended: not seen for too long').count(), soon).toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await expect.poll(() => page.url(), soon).toContain(`session=${ended.id}`);
    await expect.poll(() => story(page), soon).toEqual(ended.titles);
    await shows(page, ended.tables);
    expect(await page.getByRole('combobox', { name: 'Speed' }).inputValue()).toBe('5');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('is followed by others of the tenant, who are told whom they follow and when it ends', async () => {
    const { page } = await visit(browser, 'alice', '?view=sessions');
    await ready(page);
    const id = await create(page);
    const other = await visit(browser, 'admin', `?session=${id}`);
    await expect.poll(() => other.page.getByText('Following alice').count(), soon).toBe(1);
    await page.getByRole('heading', { level: 2 }).click();
    const playhead = async (): Promise<unknown> => (await session(id))['playhead'];
    await expect.poll(playhead, soon).not.toBeNull();
    const before = await playhead();
    await page.keyboard.press('Home');
    await expect.poll(playhead, soon).not.toBe(before);
    const there = await playhead();
    const shown = other.page.getByLabel('Playhead').locator('time').first();
    await expect.poll(() => shown.getAttribute('datetime'), soon).toBe(there);
    await page.getByRole('button', { name: 'Terminate' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Terminate' }).click();
    await expect.poll(() => other.page.getByText("alice's session has ended").count(), soon).toBe(1);
    await other.page.context().close();
    await page.context().close();
  });

  it('says what the limit means, and what to do', async () => {
    const as = { Authorization: `Bearer ${tokens.alice}` };
    for (let full = false; !full;) full = !(await fetch(`${url}/session`, { method: 'POST', headers: as })).ok;
    const { page } = await visit(browser, 'alice', '?view=sessions');
    await ready(page);
    await page.getByRole('button', { name: 'New session' }).click();
    await expect.poll(() => page.getByText('Terminate one of yours below').count(), soon).toBe(1);
    expect(await page.getByText(/Correlation id/).count()).toBe(1);
    await page.context().close();
  });
});
