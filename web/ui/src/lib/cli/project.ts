import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** What was added, so that it can be taken away again. */
export interface Manifest {
  readonly version: 1;
  readonly created: readonly { readonly path: string; readonly sha256: string }[];
  /** In files that were there before: what took the place of what. */
  readonly changed: readonly {
    readonly path: string;
    readonly sha256: string;
    readonly before: string;
    readonly after: string;
  }[];
}

export const MANIFEST = 'msr-replay.json';

/** The files of an application; nothing outside its folder is read or written. */
export class Project {
  readonly root: string;

  constructor(root: string) {
    this.root = realpathSync(resolve(root));
  }

  read(path: string): string | null {
    const full = this.#full(path);
    return existsSync(full) ? readFileSync(full, 'utf8') : null;
  }

  write(path: string, text: string): void {
    const full = this.#full(path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
  }

  /** Remove a file, and the folders that are empty without it. */
  remove(path: string): void {
    const full = this.#full(path);
    rmSync(full, { force: true });
    for (let folder = dirname(full); folder !== this.root && isEmpty(folder); folder = dirname(folder))
      rmdirSync(folder);
  }

  manifest(): Manifest | null {
    const text = this.read(MANIFEST);
    return text === null ? null : (JSON.parse(text) as Manifest);
  }

  #full(path: string): string {
    const full = resolve(join(this.root, path));
    // a link on the way may lead out of it, too
    let there = full;
    while (!existsSync(there)) there = dirname(there);
    for (const one of [full, realpathSync(there)]) {
      const way = relative(this.root, one);
      if (way === '..' || way.startsWith(`..${sep}`)) throw new Error(`${path} lies outside of the project`);
    }
    return full;
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function isEmpty(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length === 0;
}
