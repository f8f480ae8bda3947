import type { BrowserContext, Locator, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { soon, tokens, url } from './browser';
import { decode, loneliest, type Colour, type Picture } from './pixels';

/** As on a computer with a graphics card: nothing tells the console that a processor does its work. */
export function withGraphicsCard(context: BrowserContext): Promise<unknown> {
  return context.addInitScript(() => {
    const drawing = WebGL2RenderingContext.prototype as { getExtension(name: string): unknown };
    const given = drawing.getExtension;
    drawing.getExtension = function (name) {
      return name === 'WEBGL_debug_renderer_info' ? null : given.call(this, name);
    };
  });
}

export const mapOf = (page: Page): Locator => page.getByRole('region', { name: 'Map', exact: true });
export const inspector = (page: Page): Locator => page.getByRole('region', { name: 'Selected entity' });

/** What the map says of itself in words, above its lists. */
export const summary = (page: Page): Locator => mapOf(page).getByText(/^[\d,]+ with a position/);
export const words = (page: Page): Promise<string> => summary(page).innerText();

/** How many there are of something in these words; 0: they do not speak of it. */
export async function said(page: Page, of: RegExp): Promise<number> {
  return Number((of.exec(await words(page))?.[1] ?? '0').replaceAll(',', ''));
}

export const placed = (page: Page): Promise<number> => said(page, /^([\d,]+) with a position/);
export const clustered = (page: Page): Promise<number> => said(page, /([\d,]+) of them in clusters/);

/** Wait until the map is there with everything on it; `alone`: each entity by itself. */
export async function drawn(page: Page, alone = true): Promise<void> {
  await expect.poll(() => placed(page), soon).toBeGreaterThan(20);
  const button = mapOf(page).getByRole('button', { name: 'Cluster', exact: true });
  if (alone && (await button.getAttribute('aria-pressed')) === 'true') await button.click();
  const land = await themed(page, 'land');
  await expect.poll(async () => (await shot(page)).count(land), soon).toBeGreaterThan(500);
}

/** A colour of the theme. */
export async function themed(page: Page, name: string): Promise<Colour> {
  const text = await page.evaluate(
    (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim(),
    `--msr-${name}`,
  );
  const value = parseInt(text.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** What the legend says, name by name. */
export async function legend(page: Page): Promise<Map<string, Colour>> {
  const items = mapOf(page)
    .getByRole('list', { name: /^Legend/ })
    .getByRole('listitem');
  const found = await items.evaluateAll((all) =>
    all.map((one) => [one.textContent.trim(), getComputedStyle(one.querySelector('i')!).backgroundColor] as const),
  );
  return new Map(
    found.map(([name, css]) => [name, css.match(/\d+/g)!.slice(0, 3).map(Number) as unknown as Colour] as const),
  );
}

/** Where the map is on the page, in whole pixels. */
async function boxOf(page: Page): Promise<{ x: number; y: number; width: number; height: number }> {
  const { x, y, width, height } = (await mapOf(page).locator('[data-renderer]').boundingBox())!;
  return { x: Math.round(x), y: Math.round(y), width: Math.round(width), height: Math.round(height) };
}

/** What is seen of the map, without its legend. */
export async function shot(page: Page): Promise<Picture> {
  const box = await boxOf(page);
  const picture = decode(await page.screenshot({ clip: box }));
  const hidden = await mapOf(page)
    .getByRole('list', { name: /^Legend/ })
    .boundingBox();
  return hidden ? picture.without(hidden.x - box.x, hidden.y - box.y, hidden.width, hidden.height) : picture;
}

/** What is seen once it no longer changes. */
export async function stillShot(page: Page): Promise<Picture> {
  let last = await shot(page);
  await expect
    .poll(async () => {
      const before = last;
      last = await shot(page);
      return Buffer.compare(before.pixels, last.pixels);
    }, soon)
    .toBe(0);
  return last;
}

/** Click on the entity that stands most alone, of those that the legend has a wanted name for; that name. */
export async function clickOne(page: Page, isWanted: (name: string) => boolean = () => true): Promise<string> {
  const seen = await stillShot(page);
  const spots = [...(await legend(page))].flatMap(([name, colour]) =>
    seen.spots(colour).map((spot) => ({ ...spot, name })),
  );
  const chosen = loneliest(spots, ({ x, y, size, name }) => {
    const edge = Math.min(x, y, seen.width - x, seen.height - y);
    return isWanted(name) && size > 20 && edge > 40;
  });
  const box = await boxOf(page);
  await page.mouse.click(box.x + chosen.x, box.y + chosen.y);
  await expect.poll(() => ringedAt(page, chosen), soon).toBe(true);
  return chosen.name;
}

/** Whether the ring of the selected entity is about a pixel of the map. */
export async function ringedAt(page: Page, { x, y }: { x: number; y: number }): Promise<boolean> {
  const ring = (await shot(page)).places(await themed(page, 'playhead'));
  const middle = (part: 'x' | 'y'): number => ring.reduce((sum, one) => sum + one[part], 0) / ring.length;
  return ring.length > 20 && Math.hypot(middle('x') - x, middle('y') - y) < 8;
}

/** A row of the recording at a moment. */
export interface Row {
  readonly lon: number;
  readonly lat: number;
}

async function asked(path: string, accept: string): Promise<Response> {
  const answer = await fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${tokens.alice}`, Accept: accept } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** How far the past is known, and since when; milliseconds since 1970. */
async function recorded(): Promise<{ start: number; end: number }> {
  const range = (await (await asked('/replay/range', 'application/json')).json()) as {
    data: { settled_until: string | null };
  };
  const tables = (await (await asked('/replay/tables', 'application/json')).json()) as {
    data: { first_change_at: string | null }[];
  };
  const firsts = tables.data.flatMap(({ first_change_at }) => (first_change_at ? [Date.parse(first_change_at)] : []));
  return { start: Math.min(...firsts), end: Date.parse(range.data.settled_until ?? '') || 0 };
}

/** Wait until so many milliseconds are recorded; the last moment of them. */
export async function recordedFor(length: number, timeout: number): Promise<number> {
  const enough = async (): Promise<number> => {
    const { start, end } = await recorded();
    if (end - start < length) throw new Error(`only ${end - start} ms are recorded`);
    return end;
  };
  return vi.waitFor(enough, { timeout, interval: 1000 });
}

/** A table's rows at a moment, by id. */
export async function rowsAt(moment: number, table: string): Promise<Map<string, Row>> {
  const query = new URLSearchParams({ timestamp: new Date(moment).toISOString(), tables: table });
  const text = await (await asked(`/replay/state?${query}`, 'application/x-ndjson')).text();
  const lines = text.trimEnd().split('\n').slice(0, -1);
  return new Map(
    lines.map((line) => {
      const row = JSON.parse(line) as { entity_id: string; entity_state: Row };
      return [row.entity_id, row.entity_state] as const;
    }),
  );
}

/** The flight that has come farthest between two moments. */
export async function mover(from: number, to: number): Promise<string> {
  const [before, after] = [await rowsAt(from, 'air.flight'), await rowsAt(to, 'air.flight')];
  const ways = [...after].flatMap(([id, { lon, lat }]) => {
    const then = before.get(id);
    return then ? [{ id, away: Math.hypot(lon - then.lon, lat - then.lat) }] : [];
  });
  const farthest = ways.sort((a, b) => b.away - a.away)[0];
  if (!farthest) throw new Error('no flight is there at both moments');
  return `air.flight:${farthest.id}`;
}
