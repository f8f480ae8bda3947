import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, render } from '../src/lib/instants';
import { at, entities, get, launch, opened, prepared, soon, status } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

const SECOND = 1_000_000;

interface Row {
  readonly entity_id: string;
  readonly event_timestamp: string;
  readonly entity_state: Record<string, unknown>;
}

/** Up to when the past is settled. */
async function settled(): Promise<number> {
  return parse((await get<{ settled_until: string }>('/replay/range')).settled_until);
}

/** What happened to a table in the last seconds. */
async function eventsOf(table: string, seconds: number): Promise<Row[]> {
  const end = await settled();
  return get(`/replay/events?start=${render(end - seconds * SECOND)}&end=${render(end)}&tables=${table}`);
}

/** The flight that has changed most of late, and its last changes. */
async function flight(): Promise<{ key: string; times: number[] }> {
  const times = new Map<string, Set<number>>();
  for (const { entity_id: id, event_timestamp: time } of await eventsOf('air.flight', 60)) {
    times.set(id, (times.get(id) ?? new Set()).add(parse(time)));
  }
  const [id, found] = [...times].toSorted((one, other) => other[1].size - one[1].size)[0]!;
  expect(found.size).toBeGreaterThan(3);
  return { key: `air.flight:${id}`, times: [...found].toSorted((one, other) => one - other).slice(-4) };
}

/** What the inspector shows of a field. */
function field(page: Page, name: string): Promise<string> {
  const term = page
    .getByRole('region', { name: 'Selected entity' })
    .getByRole('term')
    .filter({ hasText: name })
    .first();
  return term.locator('xpath=following-sibling::dd').innerText();
}

/** The page's clock, milliseconds, and where the playhead is by it, microseconds. */
function look(page: Page): Promise<[now: number, at: number]> {
  return page.evaluate(() => [
    performance.now(),
    Number(document.querySelector('[aria-label=Playhead]')?.getAttribute('data-at')),
  ]);
}

/** How many seconds of the past go by in one, over two of them. */
async function pace(page: Page): Promise<number> {
  const [begun, from] = await look(page);
  let [now, to] = [begun, from];
  await expect.poll(async () => ([now, to] = await look(page))[0] - begun, soon).toBeGreaterThan(2_000);
  return (to - from) / 1000 / (now - begun);
}

/** Do something, and look until the playhead is somewhere: the largest part of the way that was jumped, seconds. */
async function jumped(page: Page, act: () => Promise<void>, isThere: (at: number) => boolean): Promise<number> {
  let [before, largest] = [await look(page), 0];
  await act();
  await expect
    .poll(async () => {
      const now = await look(page);
      largest = Math.max(largest, Math.abs(now[1] - before[1]) / SECOND - (now[0] - before[0]) / 1000);
      before = now;
      return isThere(now[1]);
    }, soon)
    .toBe(true);
  return largest;
}

const speed = (page: Page): Promise<string> => page.getByRole('combobox', { name: 'Speed' }).inputValue();

describe('playing', () => {
  it('goes through the past backwards: entities are again what they were', async () => {
    const { key, times } = await flight();
    const query = `?entity=${key}&tables=air.flight&t=${render(times.at(-1)!)}`;
    const { page, troubles } = await opened(browser, 'alice', query);
    await expect.poll(() => field(page, 'updated_at'), soon).not.toBe('');
    await page.keyboard.press('r');
    await page.keyboard.press('+'); // twice as fast
    await page.keyboard.press(' ');
    const seen: { at: number; was: string }[] = [];
    await expect
      .poll(async () => {
        seen.push({ at: await at(page), was: await field(page, 'updated_at') });
        return seen.at(-1)!.at;
      }, soon)
      .toBeLessThan(times[0]!);
    await page.keyboard.press(' ');
    const places = seen.map((one) => one.at);
    expect(places).toEqual(places.toSorted((one, other) => other - one));
    const moments = [...new Set(seen.map((one) => one.was))].map((was) => Date.parse(was));
    expect(moments.length).toBeGreaterThan(2);
    expect(moments).toEqual(moments.toSorted((one, other) => other - one));
    // And where it stands now it shows what the server says was then.
    const then = await page.getByLabel('Playhead').locator('time').first().getAttribute('datetime');
    const state = await get<Row[]>(`/replay/state?timestamp=${then}&tables=air.flight`);
    const was = state.find((one) => key === `air.flight:${one.entity_id}`)?.entity_state['updated_at'];
    await expect.poll(() => field(page, 'updated_at'), soon).toBe(String(was));
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it("steps through the changes of the selected entity and of nobody else's", async () => {
    const { key, times } = await flight();
    const here = times[1]! - 1; // others have changed between this and the one before
    const { page, troubles } = await opened(browser, 'alice', `?entity=${key}&t=${render(here)}`);
    await expect.poll(() => at(page), soon).toBe(here);
    const inspector = page.getByRole('region', { name: 'Selected entity' });
    await inspector.getByRole('button', { name: 'Its next change' }).click();
    await expect.poll(() => at(page), soon).toBe(times[1]);
    await page.keyboard.press('Shift+.');
    await expect.poll(() => at(page), soon).toBe(times[2]);
    await inspector.getByRole('button', { name: 'Its previous change' }).click();
    await expect.poll(() => at(page), soon).toBe(times[1]);
    await page.keyboard.press('Shift+,');
    await expect.poll(() => at(page), soon).toBe(times[0]);
    // Beside it, the next change of anything comes earlier.
    await page.keyboard.press('.');
    await expect.poll(() => at(page), soon).toBeGreaterThan(times[0]!);
    expect(await at(page)).toBeLessThan(times[1]!);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('skips a stretch in which nothing happens, in both directions, if that is wished', async () => {
    const { table, idle } = prepared<{ table: string; idle: number }>('MSR_SELDOM');
    const changes = (await eventsOf(table, 3_600)).map((event) => parse(event.event_timestamp));
    const [first, second] = changes as [number, number];
    expect(second - first).toBeGreaterThan(idle * SECOND);
    const { page, troubles } = await opened(browser, 'alice', `?tables=${table}&t=${render(first)}`);
    await expect.poll(() => entities(page), soon).toBe(1);
    await page.keyboard.press(' ');
    expect(await pace(page)).toBeLessThan(1.5); // as it happened
    const skip = page.getByRole('button', { name: 'Skip idle stretches' });
    const forwards = await jumped(
      page,
      () => skip.click(),
      (there) => there > second,
    );
    expect(forwards).toBeGreaterThan(idle / 2);
    expect(await skip.getAttribute('aria-pressed')).toBe('true');
    await page.keyboard.press('k');
    await expect.poll(() => entities(page), soon).toBeGreaterThan(1);
    await page.keyboard.press('r');
    const backwards = await jumped(
      page,
      () => page.keyboard.press('k'),
      (there) => there < second - (idle / 2) * SECOND,
    );
    expect(backwards).toBeGreaterThan(idle / 2);
    await page.keyboard.press('k');
    await expect.poll(() => entities(page), soon).toBeLessThan(2);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('jumps to the newest, and stands there', async () => {
    const { page, troubles } = await opened(browser);
    await page.keyboard.press('Home');
    const [first, end] = [await at(page), await settled()];
    expect(first).toBeLessThan(end);
    await page.getByRole('button', { name: 'To the newest' }).click();
    await expect.poll(() => at(page), soon).toBeGreaterThan(end - 5 * SECOND); // as of the last look, two seconds ago
    const there = await at(page);
    await expect.poll(settled, soon).toBeGreaterThan(there + 4 * SECOND);
    expect(await at(page)).toBe(there);
    expect(await status(page)).toBe('paused');
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('is as slow as a quarter, and as fast as 3600 times', async () => {
    const { page, troubles } = await opened(browser);
    await page.keyboard.press('Home');
    await page.keyboard.press(' ');
    for (let turn = 0; turn < 5; turn++) await page.keyboard.press('-');
    expect(await speed(page)).toBe('0.25');
    const slow = await pace(page);
    expect(slow).toBeGreaterThan(0);
    expect(slow).toBeLessThan(0.3);
    await page.getByRole('combobox', { name: 'Speed' }).selectOption('5');
    const fast = await pace(page);
    expect(fast).toBeGreaterThan(1.5);
    expect(fast).toBeLessThan(5.5);
    await page.getByRole('heading', { level: 1 }).click(); // keys belong to a field that has the focus
    for (let turn = 0; turn < 15; turn++) await page.keyboard.press('+');
    expect(await speed(page)).toBe('3600');
    const following = page.getByRole('button', { name: 'Follow the newest' });
    await expect.poll(() => following.getAttribute('aria-pressed'), soon).toBe('true');
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
