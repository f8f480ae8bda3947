import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { expect } from 'vitest';

/** Debian's; another one by its path. */
const PROGRAM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

export const url = need('MSR_URL');
export const tokens = JSON.parse(need('MSR_TOKENS')) as Record<'alice' | 'bob' | 'admin' | 'root', string>;
/** A row that was written to the source before, and one with an id that an address must escape. */
export const marker = JSON.parse(need('MSR_MARKER')) as { key: string; odd: string; wind_kn: number };

/** How long a condition is waited for. */
export const soon = { timeout: 60_000, interval: 200 };

/** Something else that was made before, by the name of its variable. */
export function prepared<Made>(name: string): Made {
  return JSON.parse(need(name)) as Made;
}

export function need(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: tests/ui/test_console.py sets it`);
  return value;
}

/** A page, and what must not happen on any: errors, violations of the content policy, requests elsewhere. */
export interface Visit {
  readonly page: Page;
  readonly troubles: string[];
}

export function launch(): Promise<Browser> {
  // Containers seldom allow Chromium its own sandbox.
  return chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** Open the console as somebody; `prepare` may change what its pages find in the browser. */
export async function visit(
  browser: Browser,
  who: keyof typeof tokens | null = 'alice',
  query = '',
  options: BrowserContextOptions = {},
  prepare: (context: BrowserContext) => Promise<unknown> = async () => undefined,
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await prepare(context);
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:') && !request.url().startsWith('data:')) {
      troubles.push(`elsewhere: ${request.url()}`);
    }
  });
  await page.goto(`${url}/${query}${who ? `#token=${tokens[who]}` : ''}`);
  return { page, troubles };
}

/** A visit once it shows a moment. */
export async function opened(browser: Browser, ...about: Rest<Parameters<typeof visit>>): Promise<Visit> {
  const seen = await visit(browser, ...about);
  await expect.poll(() => status(seen.page), soon).toBe('paused');
  await seen.page.getByRole('slider', { name: 'Position in time' }).waitFor();
  return seen;
}
type Rest<All extends readonly unknown[]> = All extends [unknown, ...infer Others] ? Others : never;

/** How a page may be looked at: light or dark, wide or narrow. */
export interface Look {
  readonly colorScheme: 'light' | 'dark';
  readonly width: number;
}

/** Look at a page in every way that there is; it is as it was then. */
export async function inEveryLook(page: Page, see: (look: Look) => Promise<void>): Promise<void> {
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await see({ colorScheme, width });
    }
  }
}

/** Where the playhead is, microseconds. */
export async function at(page: Page): Promise<number> {
  return Number(await page.getByLabel('Playhead').getAttribute('data-at'));
}

export function status(page: Page): Promise<string> {
  return page.getByLabel('Status', { exact: true }).innerText();
}

export async function entities(page: Page): Promise<number> {
  return Number((await page.getByLabel('Number of entities').innerText()).replace(/\D/g, ''));
}

/** The data of an answer. */
export async function get<Data>(path: string, who: keyof typeof tokens = 'alice'): Promise<Data> {
  const response = await fetch(url + path, { headers: { Authorization: `Bearer ${tokens[who]}` } });
  const body = (await response.json()) as { data: Data };
  if (!response.ok) throw new Error(JSON.stringify(body));
  return body.data;
}

/** End whatever sessions are active: places are few. */
export async function endSessions(): Promise<void> {
  const headers = { Authorization: `Bearer ${tokens.root}`, 'Content-Type': 'application/json' };
  const found = await fetch(`${url}/admin/sessions?status=ACTIVE&size=100`, { headers });
  const ids = ((await found.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  if (ids.length === 0) return;
  const body = JSON.stringify({ session_ids: ids });
  await fetch(`${url}/admin/sessions/terminate`, { method: 'POST', headers, body });
}
