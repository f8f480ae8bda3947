import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a worker's API. */
const API = process.env['MSR_URL'] ?? 'http://127.0.0.1:8080';
const PASSED_ON = ['/replay', '/session', '/admin', '/console.json', '/openapi.json', '/docs', '/readyz'];

/** Beside each file of the build, the same compressed: the worker serves what the browser accepts. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    // What was written, not what was generated: other plugins change chunks until the last moment.
    writeBundle({ dir = '.' }, bundle) {
      for (const name of Object.keys(bundle)) {
        const source = readFileSync(join(dir, name));
        if (source.length < 1024) continue;
        const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
        writeFileSync(join(dir, `${name}.br`), brotliCompressSync(source, { params }));
        writeFileSync(join(dir, `${name}.gz`), gzipSync(source, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), compressed()],
  worker: { format: 'es' },
  build: {
    outDir: '../console',
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: scripts
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { checks: { pluginTimings: false } }, // who runs `make demo` has no use for them
  },
  server: { proxy: Object.fromEntries(PASSED_ON.map((path) => [path, API])) },
  resolve: process.env['VITEST'] ? { conditions: ['browser'] } : {},
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    benchmark: { include: ['bench/**/*.bench.ts'] },
  },
});
