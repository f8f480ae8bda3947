import type { Talk } from './add.js';
import { diff } from './diff.js';
import { MANIFEST, sha256, type Manifest, type Project } from './project.js';

/**
 * Undo what `add` did. What was changed since stays, and is named.
 *
 * @returns whether it was done.
 * @throws Error: nothing was added here.
 */
export async function remove(project: Project, talk: Talk): Promise<boolean> {
  const manifest = project.manifest();
  if (!manifest) throw new Error(`nothing was added here: there is no ${MANIFEST}`);
  const { deleted, restored, kept } = undoing(project, manifest);
  for (const path of deleted) talk.say(`remove ${path}`);
  for (const { path, before, after } of restored) talk.say(diff(path, before, after));
  for (const path of kept) talk.say(`keep ${path}: it was changed since`);
  if (!(await talk.ask(`Remove ${deleted.length} files and restore ${restored.length}?`))) {
    talk.say('Nothing was changed.');
    return false;
  }
  for (const path of deleted) project.remove(path);
  for (const { path, after } of restored) project.write(path, after);
  project.remove(MANIFEST);
  talk.say(kept.length ? `Done; kept, for they were changed: ${kept.join(', ')}` : 'Done.');
  return true;
}

interface Undoing {
  readonly deleted: readonly string[];
  readonly restored: readonly { readonly path: string; readonly before: string; readonly after: string }[];
  readonly kept: readonly string[];
}

function undoing(project: Project, manifest: Manifest): Undoing {
  const now = new Map([...manifest.created, ...manifest.changed].map(({ path }) => [path, project.read(path)]));
  const isSame = (one: { path: string; sha256: string }): boolean => sha256(now.get(one.path) ?? '') === one.sha256;
  return {
    deleted: manifest.created.filter(isSame).map(({ path }) => path),
    restored: manifest.changed.filter(isSame).map(({ path, before, after }) => {
      const text = now.get(path) ?? '';
      return { path, before: text, after: restore(text, before, after) };
    }),
    kept: [...manifest.created, ...manifest.changed]
      .filter((one) => now.get(one.path) !== null && !isSame(one))
      .map(({ path }) => path),
  };
}

function restore(text: string, before: string, after: string): string {
  const at = text.lastIndexOf(after);
  return text.slice(0, at) + before + text.slice(at + after.length);
}
