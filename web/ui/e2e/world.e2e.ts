import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, launch, soon, visit, type Visit } from './browser';
import * as map from './map';
import { clickOne, clustered, drawn, inspector, legend, mapOf, placed, said, shot, summary, words } from './map';
import type { Colour } from './pixels';

/** So much must have been recorded, for trails of two lengths. */
const RECORDED = 150_000;
const SECOND = 1_000_000;

let browser: Browser;
/** Milliseconds since 1970; everything below is at or before this moment. */
let end: number;
/** A flight that moved far in the time before. */
let flight: string;

beforeAll(async () => {
  browser = await launch();
  end = await map.recordedFor(RECORDED, 240_000);
  flight = await map.mover(end - RECORDED, end);
}, 300_000);
afterAll(() => browser.close());

/** Open the console at so many milliseconds before the end of what is known here. */
function open(before = 0, entity?: string): Promise<Visit> {
  const query = new URLSearchParams({ t: new Date(end - before).toISOString(), ...(entity ? { entity } : {}) });
  return visit(browser, 'alice', `?${query}`);
}

const tool = (page: Page, name: string) => mapOf(page).getByRole('button', { name, exact: true });
const choice = (page: Page, name: RegExp) => mapOf(page).getByRole('combobox', { name });

/** Pixels between the selected entity and the middle of the map. */
const offCentre = async (page: Page): Promise<number> =>
  Number((await mapOf(page).locator('[data-off-centre]').getAttribute('data-off-centre')) ?? Infinity);

/** Follow the selected entity, and look closer at it; at each level everything is twice as large. */
async function closeUp(page: Page, levels: number): Promise<void> {
  const follow = tool(page, 'Follow selected');
  await expect.poll(() => follow.isEnabled(), soon).toBe(true);
  await follow.click();
  await mapOf(page).getByRole('region', { name: 'Moving map' }).focus();
  for (let level = 0; level < levels; level++) {
    await page.keyboard.press('+');
    await map.stillShot(page); // a key that is pressed while the map still moves asks for the level it moves to
  }
  await expect.poll(() => offCentre(page), soon).toBeLessThanOrEqual(1);
}

/** Pixels of trails: in an entity's colour, but not as dense; they are drawn above the entities. */
function trailPixels(page: Page, colour: Colour): Promise<number> {
  const overlay = mapOf(page).locator('canvas[aria-hidden]').last();
  return overlay.evaluate((canvas: HTMLCanvasElement, [red, green, blue]) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const near = (value: number, wanted: number): boolean => Math.abs(value - wanted) < 6;
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
      const dense = data[i + 3]! > 120 && data[i + 3]! < 220;
      if (dense && near(data[i]!, red) && near(data[i + 1]!, green) && near(data[i + 2]!, blue)) found++;
    }
    return found;
  }, colour);
}

describe('the map', () => {
  it('shows entities of several tables, and one that is clicked is selected', async () => {
    const { page, troubles } = await open();
    await drawn(page);
    const seen = await shot(page);
    const colours = await legend(page);
    for (const table of ['air.flight', 'sea.vessel']) expect(seen.count(colours.get(table)!)).toBeGreaterThan(200);
    const table = await clickOne(page);
    await expect.poll(() => inspector(page).innerText(), soon).toContain(table);
    await expect.poll(() => page.url(), soon).toContain(`entity=${table}`);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('names what is nearest to its middle, to be selected without a mouse', async () => {
    const { page, troubles } = await open();
    await drawn(page);
    await summary(page).focus();
    await page.keyboard.press('Enter');
    const first = mapOf(page).getByRole('list', { name: 'Nearest to the centre' }).getByRole('button').first();
    await page.keyboard.press('Tab');
    expect(await first.evaluate((button) => button === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await expect.poll(() => first.getAttribute('aria-pressed'), soon).toBe('true');
    const heading = inspector(page).getByRole('heading', { level: 2 });
    const sameName = async (): Promise<boolean> => (await first.innerText()) === (await heading.innerText());
    await expect.poll(sameName, soon).toBe(true);
    const { violations } = await new AxeBuilder({ page }).include('section[aria-label="Map"]').analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('keeps an entity in the middle that it follows while it plays', async () => {
    const { page, troubles } = await open(90_000, flight);
    await drawn(page);
    await closeUp(page, 2);
    await page.getByRole('button', { name: 'Play', exact: true }).click();
    for (let turn = 0; turn < 2; turn++) await page.keyboard.press('+');
    const start = await at(page);
    const seen: number[] = [];
    await expect
      .poll(async () => {
        seen.push(await offCentre(page));
        return at(page);
      }, soon)
      .toBeGreaterThan(start + 30 * SECOND);
    expect(Math.max(...seen)).toBeLessThanOrEqual(1);
    const { width, height } = await shot(page);
    await expect.poll(() => map.ringedAt(page, { x: width / 2, y: height / 2 }), soon).toBe(true);
    await tool(page, 'Follow selected').click();
    await expect.poll(() => offCentre(page), soon).toBeGreaterThan(5);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('draws where an entity went, as long ago as is chosen', async () => {
    const { page, troubles } = await open(0, flight);
    await drawn(page);
    const colour = (await legend(page)).get('air.flight')!;
    expect(await trailPixels(page, colour)).toBe(0);
    await choice(page, /^Trail/).selectOption('1 min');
    await expect.poll(() => words(page), soon).toContain('trails of 1;');
    await closeUp(page, 3); // far away, the ring and a name may cover a trail
    await expect.poll(() => trailPixels(page, colour), soon).toBeGreaterThan(20);
    const short = await trailPixels(page, colour);
    await choice(page, /^Trail/).selectOption('5 min');
    await expect.poll(() => trailPixels(page, colour), soon).toBeGreaterThan(1.5 * short);
    await choice(page, /^Trail/).selectOption('none');
    await expect.poll(() => trailPixels(page, colour), soon).toBe(0);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('colours by table or by a column, and says what the colours mean', async () => {
    const { page, troubles } = await open();
    await drawn(page);
    expect([...(await legend(page)).keys()]).toEqual(expect.arrayContaining(['air.flight', 'sea.vessel']));
    await choice(page, /^Colour by/).selectOption('status');
    await expect.poll(async () => [...(await legend(page)).keys()], soon).toContain('under way');
    const states = await legend(page);
    expect([...states.keys()]).not.toContain('sea.vessel');
    const seen = await shot(page);
    for (const status of ['under way', 'at anchor']) expect(seen.count(states.get(status)!)).toBeGreaterThan(20);
    const status = await clickOne(page, (name) => name !== 'no value' && name !== 'other');
    await expect.poll(() => inspector(page).innerText(), soon).toContain(status);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('counts together what is near to each other when far away, and nothing when near', async () => {
    const { page, troubles } = await open();
    await drawn(page, false);
    await summary(page).click();
    await tool(page, 'Show all').click();
    const clusters = mapOf(page).getByRole('list', { name: 'Clusters' }).getByRole('button');
    const counts = async (): Promise<number[]> =>
      (await clusters.allInnerTexts()).map((text) => Number(/^Cluster of ([\d,]+)$/.exec(text)![1]!.replace(',', '')));
    await expect.poll(() => clustered(page), soon).toBeGreaterThan(24);
    expect((await counts()).reduce((sum, one) => sum + one, 0)).toBe(await clustered(page));
    const colours = await legend(page);
    const accent = String(await map.themed(page, 'accent'));
    const [colour] = ['air.flight', 'sea.vessel']
      .map((table) => colours.get(table)!)
      .filter((one) => String(one) !== accent);
    const far = (await shot(page)).count(colour!);
    for (let turn = 0; turn < 6 && (await clusters.count()) > 0; turn++) {
      await clusters.first().click();
      await map.stillShot(page);
    }
    expect([await clusters.count(), await clustered(page)]).toEqual([0, 0]);
    await tool(page, 'Show all').click();
    await expect.poll(() => clustered(page), soon).toBeGreaterThan(24);
    await tool(page, 'Cluster').click();
    await expect.poll(() => clustered(page), soon).toBe(0);
    await expect.poll(async () => (await shot(page)).count(colour!), soon).toBeGreaterThan(far);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('takes positions from other columns, table by table, as one says', async () => {
    const { page, troubles } = await open();
    await drawn(page);
    const all = await placed(page);
    const vessels = (await legend(page)).get('sea.vessel')!;
    const dialog = page.getByRole('dialog', { name: /Where a table/ });
    const field = (name: string) => dialog.getByRole('combobox', { name, exact: true });
    const begin = async (): Promise<void> => {
      await tool(page, 'Positions…').click();
      await field('Table').selectOption('sea.vessel');
    };
    await begin();
    await expect.poll(() => field('Position').inputValue(), soon).toBe('pair');
    expect([await field('Longitude').inputValue(), await field('Latitude').inputValue()]).toEqual(['lon', 'lat']);
    await field('Position').selectOption('no position');
    await dialog.getByRole('button', { name: 'Use' }).click();
    await expect.poll(() => placed(page), soon).toBeLessThan(all - 50);
    expect([...(await legend(page)).keys()]).not.toContain('sea.vessel');
    await expect.poll(async () => (await shot(page)).count(vessels), soon).toBe(0);
    await begin();
    await expect.poll(() => field('Position').inputValue(), soon).toBe('none');
    await field('Position').selectOption('GeoJSON');
    await field('Column').selectOption('geojson');
    await dialog.getByRole('button', { name: 'Use' }).click();
    await expect.poll(() => placed(page), soon).toBe(all);
    await expect.poll(async () => (await shot(page)).count(vessels), soon).toBeGreaterThan(200);
    await begin();
    await expect.poll(() => field('Position').inputValue(), soon).toBe('geojson');
    await dialog.getByRole('button', { name: 'As detected' }).click();
    await expect.poll(() => placed(page), soon).toBe(all);
    await begin();
    await expect.poll(() => field('Position').inputValue(), soon).toBe('pair');
    expect(await dialog.getByRole('button', { name: 'As detected' }).count()).toBe(0);
    await page.keyboard.press('Escape');
    expect(await said(page, /([\d,]+) nearest/)).toBe(10);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
