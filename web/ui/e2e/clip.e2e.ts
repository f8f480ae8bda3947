import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get, launch, need, soon, url, visit } from './browser';

/** A clip of alice's tenant that was put back: its id, and from when to when it is. */
const clip = JSON.parse(need('MSR_CLIP')) as { id: string; start: string; end: string };

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const seconds = (Date.parse(clip.end) - Date.parse(clip.start)) / 1000;

const slider = (page: Page) => page.getByRole('slider', { name: 'Position in time' });
const longest = async (page: Page): Promise<number> => Number(await slider(page).getAttribute('aria-valuemax'));
const shown = (page: Page) => page.getByLabel('Playhead').locator('time').first().getAttribute('datetime');

describe('a clip that was put back', () => {
  it('is replayed in its own time, with its own activity, and left again', async () => {
    const { page, troubles } = await visit(browser, 'alice', '?view=admin');
    await page.getByRole('tab', { name: 'Clips' }).click();
    const button = page.getByRole('button', { name: 'Replay', exact: true }).last(); // the first leads to the view
    await expect.poll(() => page.getByRole('button', { name: 'Delete' }).count(), soon).toBeGreaterThan(0);
    const asked: URL[] = [];
    page.on('request', (request) => void asked.push(new URL(request.url())));
    await button.click();
    await expect.poll(() => page.getByText('A clip, not the recording').count(), soon).toBe(1);
    await expect.poll(() => longest(page), soon).toBe(seconds);
    expect(Date.parse((await shown(page))!)).toBe(Date.parse(clip.start));
    const activity = (): URL[] => asked.filter(({ pathname }) => pathname === '/replay/activity');
    await expect.poll(() => activity().length, soon).toBeGreaterThan(0);
    for (const { searchParams } of activity()) {
      expect(searchParams.get('source')).toBe(`clip:${clip.id}`);
      expect(Date.parse(searchParams.get('start')!)).toBeGreaterThanOrEqual(Date.parse(clip.start));
      expect(Date.parse(searchParams.get('end')!)).toBeLessThanOrEqual(Date.parse(clip.end));
    }
    const box = (await page.getByRole('region', { name: 'Time bar' }).locator('canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2);
    await expect.poll(() => page.locator('.tip').innerText(), soon).toMatch(/\d+ changes in/);
    await expect.poll(() => page.url(), soon).toContain(`clip=${clip.id}`);
    const events = await get<{ entity_id: string; event_timestamp: string }[]>(
      `/replay/events?source=clip:${clip.id}&start=${clip.start}&end=${clip.end}&tables=air.flight`.replaceAll(
        '+',
        '%2B',
      ),
    );
    const { entity_id: id } = events[0]!;
    const again = await visit(browser, 'alice', `${page.url().slice(url.length + 1)}&entity=air.flight:${id}`);
    await expect.poll(() => longest(again.page), soon).toBe(seconds);
    const history = again.page.getByRole('region', { name: 'Selected entity' }).locator('li time');
    const times = async (): Promise<number[]> =>
      history.evaluateAll((found) => found.map((time) => Date.parse(time.getAttribute('datetime')!)));
    const own = events.filter((event) => event.entity_id === id).map((event) => Date.parse(event.event_timestamp));
    await expect.poll(times, soon).toEqual(own.toReversed());
    await again.page.context().close();
    await page.getByRole('button', { name: 'Leave the clip' }).click();
    await expect.poll(() => longest(page), soon).toBeGreaterThan(seconds);
    await expect.poll(() => page.url(), soon).not.toContain('clip=');
    // The view that lists clips begins with the sources, which alice may not see.
    expect(troubles.filter((one) => !one.endsWith('/admin/sources'))).toEqual([]);
    await page.context().close();
  });
});
