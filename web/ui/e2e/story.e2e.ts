import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from '../src/lib/instants';
import { at, launch, opened, soon } from './browser';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

interface Told {
  readonly title: string;
  readonly note: string;
  readonly at: number;
}

/** Three moments, told in another order than they happened; as the page has them in the end. */
async function told(page: Page): Promise<Told[]> {
  const moments: Told[] = [];
  for (const title of ['It begins', 'It is decided', 'It ends']) {
    await page.keyboard.press('Home');
    for (let turn = 0; turn <= moments.length; turn++) await page.keyboard.press('ArrowRight');
    moments.push({ title, note: `${title}:\nwhy and by whom.`, at: await at(page) });
    await page.getByRole('button', { name: 'Story', exact: true }).click();
    await page.getByPlaceholder('Title').fill(title);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('button', { name: `Edit: ${title}` }).click();
    await page.getByRole('textbox', { name: 'Note' }).fill(moments.at(-1)!.note);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: title, exact: true }).waitFor();
    if (moments.length < 3) await page.getByRole('button', { name: 'Replay', exact: true }).click();
  }
  expect(new Set(moments.map((one) => one.at)).size).toBe(3);
  await page.getByRole('button', { name: 'Move up: It ends' }).click();
  const titles = page.getByRole('list', { name: 'Bookmarks' }).locator('.title');
  await expect.poll(() => titles.allInnerTexts(), soon).toEqual(['It begins', 'It ends', 'It is decided']);
  return [moments[0]!, moments[2]!, moments[1]!];
}

describe('a story', () => {
  it('is played: from bookmark to bookmark, with what each says, to its end', async () => {
    const { page, troubles } = await opened(browser);
    const story = await told(page);
    await page.getByRole('spinbutton', { name: /for/ }).fill('2');
    await page.keyboard.press('Tab');
    const stage = page.getByRole('region', { name: 'What is told' });
    const look = async (): Promise<Told> => ({
      title: await stage.getByRole('heading', { level: 3 }).innerText(),
      note: await stage.locator('.caption p').innerText(),
      at: parse((await stage.locator('> p time').getAttribute('datetime'))!),
    });
    await page.getByRole('button', { name: 'Play the story' }).click();
    for (const one of story) await expect.poll(look, { ...soon, interval: 50 }).toEqual(one);
    await page.getByRole('button', { name: 'Play the story' }).waitFor();
    expect(await look()).toEqual(story.at(-1));
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('plays from each bookmark for a while, if that is wished, and stops when it is told to', async () => {
    const { page, troubles } = await opened(browser);
    const [first, second] = await told(page);
    await page.getByRole('combobox', { name: 'At each' }).selectOption('play');
    await page.getByRole('button', { name: 'Play the story' }).click();
    const stage = page.getByRole('region', { name: 'What is told' });
    const moment = async (): Promise<number> => parse((await stage.locator('> p time').getAttribute('datetime'))!);
    await expect.poll(moment, soon).toBeGreaterThan(first!.at + 1_000_000);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Next bookmark' }).click();
    await expect.poll(moment, soon).toBe(second!.at);
    await page.getByRole('button', { name: 'Previous bookmark' }).click();
    await expect.poll(moment, soon).toBe(first!.at);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('is printed as a report: its moments in their order, and nothing of the console', async () => {
    const { page, troubles } = await opened(browser);
    const story = await told(page);
    const report = page.locator('.story-report');
    expect(await report.isVisible()).toBe(false);
    await page.emulateMedia({ media: 'print' });
    expect(await report.isVisible()).toBe(true);
    expect(await report.getByRole('heading', { level: 1 }).innerText()).toBe('After-action report');
    expect(await report.innerText()).toMatch(/By alice\s/);
    expect(await report.innerText()).toMatch(/Recorded .* UTC to .* UTC\. 3 moments\./);
    const sections = await report.getByRole('listitem').all();
    const printed = await Promise.all(
      sections.map(async (section) => ({
        title: await section.getByRole('heading', { level: 2 }).innerText(),
        note: await section.locator('.note').innerText(),
        at: parse((await section.locator('time').getAttribute('datetime'))!),
      })),
    );
    expect(printed).toEqual(story);
    // What is seen on paper is the report's alone.
    const others = await page.evaluate(() => {
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const found: string[] = [];
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const parent = node.parentElement!;
        if (node.textContent?.trim() && !parent.closest('.story-report') && parent.checkVisibility()) {
          found.push(node.textContent.trim());
        }
      }
      return found;
    });
    expect(others).toEqual([]);
    const pdf = await page.pdf({ format: 'A4' });
    expect(pdf.length).toBeGreaterThan(1_000);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
