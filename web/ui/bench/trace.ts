import type { Browser, Page } from 'playwright-core';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly args: { readonly name?: string };
}

/** What a long task of the main thread consists of: its steps, milliseconds of each alone, the longest first. */
export interface LongTask {
  readonly ms: number;
  readonly steps: readonly { readonly name: string; readonly ms: number }[];
}

/** Long tasks from this on, milliseconds. */
const LONG = 50;
const CATEGORIES = ['toplevel', 'devtools.timeline', 'v8', 'blink', 'cc', 'disabled-by-default-devtools.timeline'];

/** Record what the browser does while something is done; the page's long tasks, the longest first. */
export async function traced(
  browser: Browser,
  page: Page,
  path: string,
  work: () => Promise<void>,
): Promise<LongTask[]> {
  await browser.startTracing(page, { path, categories: CATEGORIES });
  await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  return longTasks(traceEvents);
}

function longTasks(events: readonly TraceEvent[]): LongTask[] {
  const mains = events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const found = mains.flatMap(({ pid, tid }) => {
    const own = events.filter((one) => one.ph === 'X' && one.pid === pid && one.tid === tid);
    own.sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
    const tasks = own.filter(({ name, dur = 0 }) => name === 'ThreadControllerImpl::RunTask' && dur >= LONG * 1000);
    return tasks.map((task) => {
      const end = task.ts + task.dur!;
      return {
        ms: Math.round(task.dur! / 1000),
        steps: stepsOf(own.filter((one) => one.ts >= task.ts && one.ts < end)),
      };
    });
  });
  return found.sort((a, b) => b.ms - a.ms);
}

/** Time of each kind of step without that of the steps in it; events are in order, those around others first. */
function stepsOf(events: readonly TraceEvent[]): LongTask['steps'] {
  const alone = new Map<string, number>();
  const around: TraceEvent[] = [];
  for (const event of events) {
    while (around.length && around.at(-1)!.ts + around.at(-1)!.dur! <= event.ts) around.pop();
    const outer = around.at(-1);
    const ms = (event.dur ?? 0) / 1000;
    if (outer) alone.set(outer.name, (alone.get(outer.name) ?? 0) - ms);
    alone.set(event.name, (alone.get(event.name) ?? 0) + ms);
    around.push(event);
  }
  const sorted = [...alone].map(([name, ms]) => ({ name, ms: Math.round(ms) })).sort((a, b) => b.ms - a.ms);
  return sorted.slice(0, 6);
}
