import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Where the element's styles belong: `src/lib/element/styles.ts`. */
const PLACE = /(['"`])@@msr-replay-styles@@\1/;

/** All styles become one string of the element's module: a shadow root takes them from there. */
function adopted(): Plugin {
  return {
    name: 'adopted',
    enforce: 'post',
    generateBundle(_, bundle) {
      let css = '';
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type !== 'asset' || !name.endsWith('.css')) continue;
        css += String(file.source);
        Reflect.deleteProperty(bundle, name);
      }
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const chunk = chunks.find(({ code }) => PLACE.test(code));
      if (!css || !chunk) this.error('no styles, or no place for them');
      chunk.code = chunk.code.replace(PLACE, () => JSON.stringify(css));
    },
  };
}

/** The client and the custom element for applications without Svelte: everything that they need is in them. */
export default defineConfig({
  base: './',
  plugins: [svelte(), adopted()],
  worker: { format: 'es' },
  define: { 'process.env.NODE_ENV': '"production"' },
  build: {
    outDir: 'dist/bundle',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    copyPublicDir: false,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: { index: 'src/lib/index.ts', element: 'src/lib/element/index.ts' },
      preserveEntrySignatures: 'strict',
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
    modulePreload: false, // the application's bundler renames what would be named here
  },
});
