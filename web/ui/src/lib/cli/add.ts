import { diff } from './diff.js';
import { MANIFEST, sha256, type Manifest, type Project } from './project.js';
import { ENVIRONMENT, files } from './templates.js';

/** How the command speaks with whoever runs it. */
export interface Talk {
  say(text: string): void;
  ask(question: string): Promise<boolean>;
}

/** A file as it will be; `before` null: it is not there yet. `edit`: what takes the place of what in it. */
export interface Step {
  readonly path: string;
  readonly before: string | null;
  readonly after: string;
  readonly edit?: { readonly before: string; readonly after: string };
}

/** Where `MSR_URL` is noted for others: the file that the application has for it. */
const NOTES = ['.env.example', '.env.template', '.env.sample'];

/**
 * Put the handler, its route and a page into a SvelteKit application.
 *
 * @returns whether it was done.
 * @throws Error: the folder has no such application, or a file is in the way.
 */
export async function add(project: Project, route: string, version: string, talk: Talk): Promise<boolean> {
  if (project.manifest()) throw new Error(`it was added before (${MANIFEST}): first \`msr-replay remove\``);
  const steps = plan(project, route, version);
  for (const { path, before, after } of steps) talk.say(diff(path, before, after));
  const changed = steps.filter(({ before }) => before !== null).map(({ path }) => path);
  const question = `Write ${steps.length} files${changed.length ? `, among them ${changed.join(' and ')}` : ''}?`;
  if (!(await talk.ask(question))) {
    talk.say('Nothing was changed.');
    return false;
  }
  // First what tells how to undo it: if writing stops in the middle, that still can be.
  project.write(MANIFEST, `${JSON.stringify(manifestOf(steps), null, 2)}\n`);
  for (const { path, after } of steps) project.write(path, after);
  talk.say(`Done. Set MSR_URL, \`npm install\`, and open /${route}. To undo it: npx msr-replay remove`);
  return true;
}

/** What would be written. */
export function plan(project: Project, route: string, version: string): Step[] {
  if (!/^[\w-]+(\/[\w-]+)*$/.test(route)) throw new Error(`not a route: ${route} (such as msr, or tools/replay)`);
  const packageText = project.read('package.json');
  if (packageText === null) throw new Error('there is no package.json here: run it in the folder of your application');
  const about = JSON.parse(packageText) as Record<string, Record<string, string> | undefined>;
  if (!{ ...about['dependencies'], ...about['devDependencies'] }['@sveltejs/kit']) {
    throw new Error('this is no SvelteKit application: package.json does not name @sveltejs/kit');
  }
  const created = files(route).map(({ path, text }) => ({ path, before: project.read(path), after: text }));
  const inTheWay = created.filter(({ before }) => before !== null).map(({ path }) => path);
  if (inTheWay.length) throw new Error(`these files are there already: ${inTheWay.join(', ')} (--route names another)`);
  return [...created, ...dependency(packageText, about, version), ...environment(project)];
}

function dependency(text: string, about: Record<string, Record<string, string> | undefined>, version: string): Step[] {
  if ({ ...about['dependencies'], ...about['devDependencies'] }['msr-replay']) return [];
  const line = `"msr-replay": "^${version}"`;
  const edit = about['dependencies']
    ? { before: /"dependencies"\s*:\s*\{/.exec(text)?.[0] ?? '', comma: Object.keys(about['dependencies']).length > 0 }
    : { before: /^\s*\{/.exec(text)?.[0] ?? '', comma: true };
  const block = about['dependencies'] ? `\n    ${line}` : `\n  "dependencies": { ${line} }`;
  const made = { before: edit.before, after: `${edit.before}${block}${edit.comma ? ',' : ''}` };
  return [{ path: 'package.json', before: text, after: text.replace(made.before, () => made.after), edit: made }];
}

function environment(project: Project): Step[] {
  const path = NOTES.find((name) => project.read(name) !== null);
  const before = path === undefined ? null : project.read(path);
  if (path === undefined || before === null) return [{ path: NOTES[0]!, before: null, after: ENVIRONMENT.trimStart() }];
  if (/^MSR_URL=/m.test(before)) return [];
  return [{ path, before, after: before + ENVIRONMENT, edit: { before: '', after: ENVIRONMENT } }];
}

function manifestOf(steps: readonly Step[]): Manifest {
  return {
    version: 1,
    created: steps.filter(({ edit }) => !edit).map(({ path, after }) => ({ path, sha256: sha256(after) })),
    changed: steps.flatMap(({ path, after, edit }) => (edit ? [{ path, sha256: sha256(after), ...edit }] : [])),
  };
}
