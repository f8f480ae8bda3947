import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { Console, launch, passed, type Where } from './console';
import { traced } from './trace';
import { longest, type Profile } from './threads';

/** What to measure; instants in microseconds since 1970. */
interface Plan extends Where {
  /** The window in which all entities change. */
  readonly start: number;
  readonly end: number;
  /** How often a link is opened, and how often is sought outside and inside of the buffer. */
  readonly links: number;
  readonly seeks: number;
  readonly inside: number;
  /** How long it plays for its pictures, seconds, and for its memory, seconds, looked at so often. */
  readonly playing: number;
  readonly lasting: number;
  readonly every: number;
  /** A folder for profiles; without it nothing is profiled, which would make it slower. */
  readonly profiles: string | null;
}

const SECOND = 1_000_000;
/** Moments that are sought are so far at least from what is buffered, and from each other, microseconds. */
const APART = 10 * SECOND;
/** Seconds of play that are traced. */
const TRACED = 10;

/** One line for who has started this. */
function say(kind: string, value: object): void {
  process.stdout.write(`${JSON.stringify({ kind, ...value })}\n`);
}

let seed = 7;
function random(from: number, to: number): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return Math.floor(from + ((to - from) * seed) / 2_147_483_647);
}

/** Measure everything in one window, but for the links: each is opened in a new one. */
export async function measure(plan: Plan): Promise<void> {
  const browser = await launch();
  try {
    say('browser', { version: browser.version() });
    await openLinks(browser, plan);
    const [window] = await Console.open(browser, plan, null);
    const renderer = await window.page.locator('[data-renderer]').getAttribute('data-renderer');
    if (renderer !== 'splat') throw new Error(`entities are drawn by ${renderer}: this measures drawing in software`);
    await profiled(window, plan, 'cold', () => seekOutside(window, plan));
    await profiled(window, plan, 'playing', () => play(window, plan));
    if (plan.profiles !== null) await tracePlaying(browser, window, plan);
    await profiled(window, plan, 'inside', () => seekInside(window, plan));
    await last(browser, window, plan);
  } finally {
    await browser.close();
  }
}

async function openLinks(browser: Browser, plan: Plan): Promise<void> {
  for (let turn = 0; turn < plan.links; turn++) {
    const at = random(plan.start, plan.end);
    const [window, picture] = await Console.open(browser, plan, at);
    const seen = await window.seen(({ frames, wishes }) => ({ sent: wishes[0]!.sent, came: frames[0]!.came }));
    say('link', { ...seen, drawn: picture!.drawn });
    await window.close();
  }
}

async function seekOutside(window: Console, plan: Plan): Promise<void> {
  const used: number[] = [];
  for (let turn = 0; turn < plan.seeks; turn++) {
    await window.stand();
    const held = await window.seen((seen) => seen.held);
    const near = (at: number): boolean =>
      held.some(({ start, end }) => at > start - APART && at < end + APART) ||
      used.some((one) => Math.abs(one - at) < APART);
    let at = random(plan.start, plan.end);
    for (let tries = 0; near(at) && tries < 10_000; tries++) at = random(plan.start, plan.end);
    if (near(at)) return; // nearly all of it is buffered: a small history
    used.push(at);
    say('cold', await window.goTo(at));
  }
}

async function play(window: Console, plan: Plan): Promise<void> {
  await window.goTo(plan.start);
  await window.stand();
  for (let turn = 0; turn < 3; turn++) await window.press('+'); // 2, 5, 10
  await window.fetched();
  await window.seen((seen) => seen.forget());
  const before = await window.metrics();
  await window.press('k');
  await passed(plan.playing);
  const after = await window.metrics();
  const seen = await window.seen(({ frames, pictures, tasks, scripts }) => ({ frames, pictures, tasks, scripts }));
  await window.press('k');
  const fetched = await window.fetched();
  const scripts = Object.entries(seen.scripts).map(([name, one]) => ({ name, ...one }));
  say('playing', {
    seconds: plan.playing,
    played: ((seen.frames.at(-1)?.at ?? plan.start) - plan.start) / SECOND,
    frames: seen.frames.length,
    pictures: seen.pictures.length,
    tasks: seen.tasks.map(({ duration }) => duration),
    script: after.script - before.script,
    busy: after.task - before.task,
    layout: after.layout - before.layout,
    requests: fetched.length,
    bytes: fetched.reduce((sum, { read }) => sum + read, 0),
    firsts: fetched.map(({ start, first }) => first - start),
    wholes: fetched.map(({ start, last }) => last - start),
    scripts: scripts.sort((a, b) => b.total - a.total).slice(0, 10),
  });
}

/** What the long tasks of the main thread consist of. */
async function tracePlaying(browser: Browser, window: Console, plan: Plan): Promise<void> {
  await window.goTo(plan.start);
  const path = join(plan.profiles!, 'playing.trace.json');
  const tasks = await traced(browser, window.page, path, async () => {
    await window.press('k');
    await passed(TRACED);
  });
  await window.press('k');
  say('trace', { seconds: TRACED, tasks: tasks.slice(0, 15), count: tasks.length });
}

async function seekInside(window: Console, plan: Plan): Promise<void> {
  await window.stand();
  for (let turn = 0; turn < plan.inside; turn++) {
    const held = await window.seen((seen) => seen.held);
    const widest = held.reduce((best, one) => (one.end - one.start > best.end - best.start ? one : best));
    const ahead = Math.min((widest.end - widest.start) / 3, 60 * SECOND); // near the end it would fetch what comes next
    say('inside', await window.goTo(random(widest.start, widest.end - ahead)));
    await window.stand();
  }
}

async function last(browser: Browser, window: Console, plan: Plan): Promise<void> {
  const session = await browser.newBrowserCDPSession();
  await window.goTo(plan.start);
  await window.press('[');
  await window.press('o');
  await window.press('k');
  const begun = performance.now();
  for (let due = plan.every; due <= plan.lasting; due += plan.every) {
    await passed(due - (performance.now() - begun) / 1000);
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer').sort((a, b) => b.cpuTime - a.cpuTime);
    const [page, engine] = [await window.main.heap(), await window.engine.heap()];
    const { bytes, budget, at } = await window.seen((seen) => {
      const shown = seen.frames.at(-1)?.at ?? 0;
      seen.forget();
      return { bytes: seen.bytes, budget: seen.budget, at: shown };
    });
    say('memory', { second: due, page, engine, bytes, budget, at, renderer: renderers[0]!.id });
  }
  await window.press('k');
}

/** Do a part; if that is wanted, sample both threads meanwhile. */
async function profiled(window: Console, plan: Plan, part: string, work: () => Promise<void>): Promise<void> {
  const { profiles } = plan;
  if (profiles === null) return work();
  let main: Profile | undefined;
  const engine = await window.engine.profile(async () => {
    main = await window.main.profile(work);
  });
  for (const [thread, profile] of Object.entries({ main: main!, engine })) {
    writeFileSync(join(profiles, `${part}.${thread}.cpuprofile`), JSON.stringify(profile));
    say('profile', { part, thread, functions: longest(profile) });
  }
}
