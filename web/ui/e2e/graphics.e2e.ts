import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, soon, visit } from './browser';
import { clickOne, drawn, inspector, legend, mapOf, recordedFor, stillShot, shot, withGraphicsCard } from './map';
import type { Colour, Picture } from './pixels';

/** What moves is to be seen to have moved, milliseconds. */
const RECORDED = 75_000;
/** Pixels from an entity to the tip of the arrow, or the end of the needle, that it is drawn as. */
const REACH = 10;

let browser: Browser;
let query: string;

beforeAll(async () => {
  browser = await launch();
  query = `?t=${new Date(await recordedFor(RECORDED, 180_000)).toISOString()}`;
}, 240_000);
afterAll(() => browser.close());

/** The console at one moment, as a computer with a graphics card draws it, or one without. */
async function opened(kind: 'gl' | 'splat'): Promise<{ page: Page; troubles: string[] }> {
  const seen = await visit(browser, 'alice', query, {}, kind === 'gl' ? withGraphicsCard : undefined);
  await mapOf(seen.page).locator(`[data-renderer=${kind}]`).waitFor({ timeout: soon.timeout });
  await drawn(seen.page);
  return seen;
}

/** Which share of one picture's pixels of a colour is near to one of the other's. */
function shared(one: Picture, other: Picture, colour: Colour): number {
  const near = new Set<number>();
  for (const { x, y } of other.places(colour)) {
    for (let row = y - REACH; row <= y + REACH; row++) {
      for (let column = x - REACH; column <= x + REACH; column++) near.add(row * one.width + column);
    }
  }
  const places = one.places(colour);
  return places.filter(({ x, y }) => near.has(y * one.width + x)).length / places.length;
}

describe('the map on a graphics card', () => {
  it('shows the same entities in the same places as without one', async () => {
    const [card, without] = [await opened('gl'), await opened('splat')];
    const colours = await legend(card.page);
    expect([...colours]).toEqual([...(await legend(without.page))]);
    const drawn = ['air.flight', 'sea.vessel'].map((table) => colours.get(table)!);
    for (const colour of drawn) expect((await stillShot(card.page)).spots(colour).length).toBeGreaterThan(2);
    // A busy machine may stand still before the last names are written: then they are compared once more.
    const least = async (): Promise<number> => {
      const [one, other] = [await stillShot(card.page), await stillShot(without.page)];
      return Math.min(...drawn.flatMap((colour) => [shared(one, other, colour), shared(other, one, colour)]));
    };
    await expect.poll(least, soon).toBeGreaterThan(0.9);
    expect([...card.troubles, ...without.troubles]).toEqual([]);
    await card.page.context().close();
    await without.page.context().close();
  });

  it('moves them with the time, and selects the one that is clicked', async () => {
    const { page, troubles } = await opened('gl');
    const now = await stillShot(page);
    const colour = (await legend(page)).get('air.flight')!;
    await page.keyboard.press('Shift+ArrowLeft');
    const left = (then: Picture): number => now.places(colour).filter(({ x, y }) => !then.is(x, y, colour)).length;
    await expect.poll(async () => left(await shot(page)), soon).toBeGreaterThan(now.count(colour) / 5);
    const then = await stillShot(page);
    expect(then.count(colour)).toBeGreaterThan(now.count(colour) / 2);
    const table = await clickOne(page);
    await expect.poll(() => inspector(page).innerText(), soon).toContain(table);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('shows them again after the graphics card was away', async () => {
    const { page, troubles } = await opened('gl');
    const colour = (await legend(page)).get('air.flight')!;
    const before = (await stillShot(page)).count(colour);
    expect(before).toBeGreaterThan(100);
    const canvas = mapOf(page).getByRole('region', { name: 'Moving map' });
    const lose = await canvas.evaluateHandle((one: HTMLCanvasElement) =>
      one.getContext('webgl2')!.getExtension('WEBGL_lose_context')!,
    );
    await lose.evaluate((card) => card.loseContext());
    await expect.poll(async () => (await shot(page)).count(colour), soon).toBe(0);
    await lose.evaluate((card) => card.restoreContext());
    await expect.poll(async () => (await shot(page)).count(colour), soon).toBeGreaterThan(before * 0.9);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
