import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { add, type Talk } from './add.js';
import { Project } from './project.js';
import { remove } from './remove.js';

const USAGE = `usage: msr-replay add [--route msr] [--cwd .] [--yes]   put the replay into a SvelteKit application
       msr-replay remove [--cwd .] [--yes]              take it away again`;

/** The command; its exit code. */
export async function main(args: readonly string[], version: string, talk: Talk | null = null): Promise<number> {
  const say = (text: string): void => (talk ?? { say: console.log }).say(text);
  try {
    const options = {
      route: { type: 'string', default: 'msr' },
      cwd: { type: 'string', default: '.' },
      yes: { type: 'boolean', short: 'y', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [command, ...rest] = positionals;
    const known = command === 'add' || command === 'remove';
    if (values.help || !known || rest.length) {
      say(USAGE);
      return values.help ? 0 : 2;
    }
    const project = new Project(values.cwd);
    const used = { say, ask: values.yes ? async () => true : (talk?.ask ?? asked) };
    const route = values.route.replace(/^\/+|\/+$/g, '');
    const done = command === 'add' ? await add(project, route, version, used) : await remove(project, used);
    return done ? 0 : 1;
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Ask whoever sits there; nobody does: no. */
async function asked(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.log(`${question} Nobody is here to ask: run it with --yes.`);
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
