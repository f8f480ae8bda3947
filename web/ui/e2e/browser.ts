import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** Debian's; another one by its path. */
const PROGRAM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

export const url = need('MSR_URL');
export const tokens = JSON.parse(need('MSR_TOKENS')) as Record<'alice' | 'bob' | 'admin' | 'root', string>;
/** A row that was written to the source before. */
export const marker = JSON.parse(need('MSR_MARKER')) as { key: string; wind_kn: number };

function need(name: string): string {
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

/** Open the console as somebody. */
export async function visit(
  browser: Browser,
  who: keyof typeof tokens | null = 'alice',
  query = '',
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
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

/** End whatever sessions are active: places are few. */
export async function endSessions(): Promise<void> {
  const headers = { Authorization: `Bearer ${tokens.root}`, 'Content-Type': 'application/json' };
  const found = await fetch(`${url}/admin/sessions?status=ACTIVE&size=100`, { headers });
  const ids = ((await found.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  if (ids.length === 0) return;
  const body = JSON.stringify({ session_ids: ids });
  await fetch(`${url}/admin/sessions/terminate`, { method: 'POST', headers, body });
}
