import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endSessions, launch, tokens, url, visit } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const soon = { timeout: 60_000, interval: 200 };

beforeEach(endSessions);

async function ready(page: Page): Promise<void> {
  await expect.poll(() => page.getByRole('button', { name: 'New session' }).count(), soon).toBe(1);
}

async function create(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'New session' }).click();
  await expect.poll(() => page.url(), soon).toContain('session=');
  return new URL(page.url()).searchParams.get('session') ?? '';
}

async function session(id: string): Promise<Record<string, unknown>> {
  const found = await fetch(`${url}/session/${id}`, { headers: { Authorization: `Bearer ${tokens.alice}` } });
  return ((await found.json()) as { data: { playback: Record<string, unknown> } }).data.playback;
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

  it('is followed by others of the tenant, who are told whom they follow and when it ends', async () => {
    const { page } = await visit(browser, 'alice', '?view=sessions');
    await ready(page);
    const id = await create(page);
    const other = await visit(browser, 'admin', `?session=${id}`);
    await expect.poll(() => other.page.getByText('Following alice').count(), soon).toBe(1);
    await page.getByRole('heading', { level: 2 }).click();
    await page.keyboard.press('Home');
    await expect.poll(async () => (await session(id))['playhead'], soon).not.toBeNull();
    const there = (await session(id))['playhead'];
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
