import { defineConfig } from 'vitest/config';

/** Pictures of a running stack, for the documents: `MSR_URL` and `MSR_TOKENS` say where it is, and as whom. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/pictures/pictures.ts'],
    env: { MSR_MARKER: '{}' },
    testTimeout: 900_000,
    hookTimeout: 60_000,
  },
});
