/** Builds the package `msr-replay` into dist/ and packs it: `npm run package`. What it prints last is the tarball. */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const about = JSON.parse(readFileSync('package.json', 'utf8'));
const run = (program, ...args) => execFileSync('npx', ['--no-install', program, ...args], { stdio: ['ignore', 2, 2] });

rmSync('dist', { recursive: true, force: true });
run('vite', 'build', '--config', 'modlet/vite.config.ts', '--logLevel', 'warn');
run('svelte-package', '--input', 'src/lib', '--output', 'dist/lib', '--tsconfig', 'tsconfig.json');
cpSync('src/lib/client/schema.d.ts', 'dist/lib/client/schema.d.ts');
rmSync('.svelte-kit', { recursive: true, force: true }); // svelte-package leaves it
for (const file of readdirSync('dist/lib', { recursive: true })) finish(join('dist/lib', String(file)));
cpSync('modlet/package', 'dist', { recursive: true });
cpSync('README.md', 'dist/README.md');
cpSync('../../LICENSE', 'dist/LICENSE');
writeFileSync('dist/package.json', `${JSON.stringify(manifest(), null, 2)}\n`);
const packed = execFileSync('npm', ['pack', './dist', '--pack-destination', 'dist', '--json', '--ignore-scripts']);
console.log(join('dist', JSON.parse(packed)[0].filename));

/** Leave tests out; name workers and modules as they are called now, so that Node finds them without a bundler. */
function finish(path) {
  if (/\.(test|testing|bench)\.(js|d\.ts)$|fold\/model\.(js|d\.ts)$/.test(path)) return rmSync(path);
  if (!/\.(js|ts|svelte)$/.test(path)) return;
  const text = readFileSync(path, 'utf8');
  const named = text
    .replace(/(new URL\(\s*['"][^'"]+)\.ts(['"])/g, '$1.js$2')
    .replace(
      /(\b(?:from|import)\s*\(?\s*['"])(\.[^'"]*)(['"])/g,
      (_, before, name, after) => `${before}${found(path, name)}${after}`,
    );
  if (named !== text) writeFileSync(path, named);
}

function found(path, name) {
  const ends = ['', '.js', '/index.js'];
  const end = ends.find((one) => statSync(join(dirname(path), name + one), { throwIfNoEntry: false })?.isFile());
  return name + (end ?? '');
}

function manifest() {
  const { name, version, description, license, type, engines } = about;
  const { 'oidc-client-ts': _, ...dependencies } = about.dependencies; // the console's alone
  const of = (path, bundle) => ({
    types: `./lib/${path}.d.ts`,
    svelte: `./lib/${path}.js`,
    default: bundle ?? `./lib/${path}.js`,
  });
  return {
    name,
    version,
    description,
    license,
    type,
    engines,
    svelte: './lib/index.js',
    types: './lib/index.d.ts',
    bin: { 'msr-replay': './bin/msr-replay.js' },
    exports: {
      '.': of('index', './bundle/index.js'),
      './components': of('parts/index'),
      './compat': of('compat/index'),
      './element': { types: './lib/element/index.d.ts', default: './bundle/element.js' },
      './sveltekit': of('sveltekit/index'),
      './theme.css': './lib/theme/theme.css',
      './package.json': './package.json',
    },
    sideEffects: ['**/*.css', '**/*.svelte', './bundle/element.js', './lib/element/index.js'],
    files: ['bin', 'bundle', 'lib', 'src', 'modlet.config.ts', 'modlet.setup.ts'],
    dependencies,
    peerDependencies: { svelte: `^${about.devDependencies.svelte}` },
    peerDependenciesMeta: { svelte: { optional: true } },
  };
}
