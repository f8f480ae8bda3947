// @vitest-environment node
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from './main.js';

const PACKAGE = `{
  "name": "host",
  "dependencies": {
    "zod": "4.0.0"
  },
  "devDependencies": { "@sveltejs/kit": "2.70.4" }
}
`;

let root: string;
let said: string[];
let agrees: boolean;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'msr-host-'));
  [said, agrees] = [[], true];
  writeFileSync(join(root, 'package.json'), PACKAGE);
  writeFileSync(join(root, '.env.example'), 'OTHER=1\n');
});
afterEach(() => rmSync(root, { recursive: true }));

function run(...args: string[]): Promise<number> {
  const talk = { say: (text: string) => said.push(text), ask: async (text: string) => (said.push(text), agrees) };
  return main([...args, '--cwd', root], '1.2.3', talk);
}

/** Every file with what is in it. */
function tree(): Record<string, string> {
  const names = readdirSync(root, { recursive: true }).map(String);
  const found = names.filter((name) => statSync(join(root, name)).isFile());
  return Object.fromEntries(found.sort().map((name) => [name, readFileSync(join(root, name), 'utf8')]));
}

function put(path: string, text: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

describe('msr-replay add', () => {
  it('puts handler, route and page into the application, and notes what it needs', async () => {
    expect(await run('add')).toBe(0);
    const files = tree();
    expect(Object.keys(files)).toEqual([
      '.env.example',
      'msr-replay.json',
      'package.json',
      'src/routes/msr/+page.svelte',
      'src/routes/msr/api/[...path]/+server.ts',
    ]);
    expect(files['.env.example']).toMatch(/^OTHER=1\n[^]*\nMSR_URL=/);
    expect(JSON.parse(files['package.json']!).dependencies).toEqual({ 'msr-replay': '^1.2.3', zod: '4.0.0' });
    expect(files['src/routes/msr/+page.svelte']).toContain('/msr/api');
  });

  it('shows every change first, and changes nothing without a yes', async () => {
    const before = tree();
    agrees = false;
    expect(await run('add')).toBe(1);
    expect(tree()).toEqual(before);
    const shown = said.join('\n');
    expect(shown).toContain('+ MSR_URL=http://127.0.0.1:8080');
    expect(shown).toContain('+     "msr-replay": "^1.2.3",');
    expect(shown).toContain('among them package.json and .env.example?');
  });

  it('asks nothing with --yes', async () => {
    agrees = false;
    expect(await run('add', '--yes', '--route', '/tools/replay/')).toBe(0);
    expect(tree()).toHaveProperty(['src/routes/tools/replay/+page.svelte']);
  });

  it.each([
    ['twice', async () => void (await run('add')), /added before/],
    ['over a file that is there', () => put('src/routes/msr/+page.svelte', 'mine'), /there already: src.routes.msr/],
    ['where there is no SvelteKit', () => writeFileSync(join(root, 'package.json'), '{}'), /no SvelteKit/],
    ['where there is no application', () => rmSync(join(root, 'package.json')), /no package.json/],
  ])('refuses to work %s', async (_, prepare, words) => {
    await prepare();
    const before = tree();
    expect(await run('add', '--yes')).toBe(1);
    expect(said.at(-1)).toMatch(words);
    expect(tree()).toEqual(before);
  });

  it('never leaves the folder: not by its route, not by a link in it', async () => {
    expect(await run('add', '--yes', '--route', '../../out')).toBe(1);
    const outside = mkdtempSync(join(tmpdir(), 'msr-outside-'));
    symlinkSync(outside, join(root, 'src'));
    expect(await run('add', '--yes')).toBe(1);
    expect(said.at(-1)).toContain('outside of the project');
    expect(readdirSync(outside)).toEqual([]);
    rmSync(outside, { recursive: true });
  });
});

describe('msr-replay remove', () => {
  it('leaves the application as it was, folder by folder', async () => {
    const before = tree();
    const folders = readdirSync(root);
    await run('add');
    expect(await run('remove')).toBe(0);
    expect(tree()).toEqual(before);
    expect(readdirSync(root)).toEqual(folders);
  });

  it('keeps what was changed since, and names it', async () => {
    await run('add');
    writeFileSync(join(root, 'src/routes/msr/+page.svelte'), 'mine now');
    writeFileSync(join(root, '.env.example'), 'OTHER=2\nMSR_URL=x\n');
    expect(await run('remove')).toBe(0);
    expect(said.at(-1)).toBe('Done; kept, for they were changed: src/routes/msr/+page.svelte, .env.example');
    expect(Object.keys(tree())).toEqual(['.env.example', 'package.json', 'src/routes/msr/+page.svelte']);
    expect(tree()).toMatchObject({ '.env.example': 'OTHER=2\nMSR_URL=x\n', 'package.json': PACKAGE });
  });

  it('changes nothing without a yes, and has nothing to do where nothing was added', async () => {
    expect(await run('remove')).toBe(1);
    await run('add');
    const before = tree();
    agrees = false;
    expect(await run('remove')).toBe(1);
    expect(tree()).toEqual(before);
  });
});

it('tells how it is used', async () => {
  expect(await run('--help')).toBe(0);
  expect(await run('install')).toBe(2);
  expect(said.every((text) => text.startsWith('usage: msr-replay add'))).toBe(true);
});
