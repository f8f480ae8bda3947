import { chromium, type Browser, type Page } from 'playwright-core';
import { render } from '../src/lib/instants';
import { probe, type Picture, type Seen } from './probe';
import { threadsOf, type Fetched, type Thread } from './threads';

/** Debian's; another one by its path. */
const PROGRAM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** The longest that a moment may take to be drawn, milliseconds. */
const LIMIT = 120_000;
/** It stands when nothing was loaded for so long, milliseconds. */
const QUIET = 500;

/** Where the console is, and the token that opens it. */
export interface Where {
  readonly url: string;
  readonly token: string;
}

/** One seek; milliseconds since its command. */
export interface Sought {
  readonly at: number;
  /** The engine was told. */
  readonly sent: number;
  /** The first byte of the state or the events came, and the last one of both; null: nothing was fetched. */
  readonly first: number | null;
  readonly last: number | null;
  /** The moment came from the engine, and was drawn. */
  readonly came: number;
  readonly drawn: number;
  /** Script of the main thread from the command until it was drawn, and its longest task. */
  readonly script: number;
  readonly task: number;
  /** From when the engine heard of it until its frame was sent. */
  readonly engine: number;
  readonly states: number;
  readonly fields: string | null;
  /** Bytes as they came over the wire, and as they were read. */
  readonly wire: number;
  readonly bytes: number;
}

/** Chromium as people without a graphics card have it. */
export function launch(): Promise<Browser> {
  // Containers seldom allow Chromium its own sandbox.
  return chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A window with the console, used by keys as people do, and watched. */
export class Console {
  private constructor(
    readonly page: Page,
    readonly main: Thread,
    readonly engine: Thread,
    private readonly origin: number,
  ) {}

  /** Open the console in a new window that knows nothing yet, at a moment (null: the newest), until that is drawn. */
  static async open(browser: Browser, { url, token }: Where, at: number | null): Promise<[Console, Picture | null]> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    await page.addInitScript(probe);
    await page.goto(`${url}/${at === null ? '' : `?t=${render(at)}`}#token=${token}`);
    const picture = at === null ? null : await within(LIMIT, 'the moment of the link', drawn(page, at));
    const { main, engine } = await threadsOf(page);
    const found = new Console(page, main, engine, await main.evaluate<number>('performance.timeOrigin'));
    await found.stand();
    await engine.fetched(0);
    await engine.watchWishes();
    return [found, picture];
  }

  close(): Promise<void> {
    return this.page.context().close();
  }

  press(key: string): Promise<void> {
    return this.page.keyboard.press(key);
  }

  /** What was seen; nothing of it changes the page. */
  seen<Value>(read: (seen: Seen) => Value): Promise<Value> {
    return this.page.evaluate<Value>(`(${read.toString()})(window.msrBench)`);
  }

  /** Wait until it shows something and has nothing left to load. */
  async stand(): Promise<void> {
    const end = performance.now() + LIMIT;
    for (;;) {
      const quiet = await this.seen(({ pictures, loading, loadingSince }) => {
        return pictures.length > 0 && !loading ? performance.now() - loadingSince : 0;
      });
      if (quiet > QUIET) return;
      if (performance.now() > end) throw new Error(`it still loads after ${LIMIT / 1000} s`);
      await passed(0.1);
    }
  }

  /** Go to a moment by the box for it, and wait until it is drawn. */
  async goTo(at: number): Promise<Sought> {
    await this.seen((seen) => seen.forget());
    await this.press('g');
    await this.page.getByRole('textbox', { name: /^Time, in/ }).fill(render(at));
    await this.fetched();
    const before = await this.script();
    const waiting = drawn(this.page, at);
    await this.press('Enter');
    const picture = await within(LIMIT, render(at), waiting);
    const script = (await this.script()) - before;
    await passed(0.1); // long tasks are told a little later
    const seen = await this.seen(({ submitted, wishes, frames, tasks }) => ({ submitted, wishes, frames, tasks }));
    const begun = seen.submitted;
    const { came, wish } = seen.frames.find((frame) => frame.at === at)!;
    // What was under way before is not its own, what comes after it is for later.
    const fetched = (await this.fetched()).filter(({ start, last }) => start >= begun && last <= came);
    return {
      at,
      sent: seen.wishes.find((wish) => wish.at === at)!.sent - begun,
      first: fetched.length ? Math.min(...fetched.map(({ first }) => first)) - begun : null,
      last: fetched.length ? Math.max(...fetched.map(({ last }) => last)) - begun : null,
      came: came - begun,
      drawn: picture.drawn - begun,
      script,
      task: Math.max(0, ...seen.tasks.filter(({ start }) => start >= begun - 50).map(({ duration }) => duration)),
      engine: await this.engine.workedOn(wish),
      states: fetched.filter(({ path }) => path.endsWith('/state')).length,
      fields: fetched[0]?.fields ?? null,
      wire: fetched.reduce((sum, { sent }) => sum + sent, 0),
      bytes: fetched.reduce((sum, { read }) => sum + read, 0),
    };
  }

  /** What the engine has fetched since this was asked last. */
  fetched(): Promise<Fetched[]> {
    return this.engine.fetched(this.origin);
  }

  /** Milliseconds of script that the main thread has run. */
  async script(): Promise<number> {
    return (await this.metrics()).script;
  }

  /** The same, and of all tasks, and of those parts that lay out the page. */
  async metrics(): Promise<{ script: number; task: number; layout: number }> {
    const { metrics } = (await this.main.ask('Performance.getMetrics')) as {
      metrics: { name: string; value: number }[];
    };
    const of = (name: string): number => 1000 * (metrics.find((one) => one.name === name)?.value ?? 0);
    return {
      script: of('ScriptDuration'),
      task: of('TaskDuration'),
      layout: of('LayoutDuration') + of('RecalcStyleDuration'),
    };
  }
}

export function passed(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, seconds) * 1000));
}

function drawn(page: Page, at: number): Promise<Picture> {
  return page.evaluate((moment) => (window as unknown as { msrBench: Seen }).msrBench.drawn(moment), at);
}

/** @throws Error: it took too long. */
async function within<Value>(limit: number, what: string, work: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not drawn within ${limit / 1000} s`)), limit);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
