import { defineConfig } from 'vitest/config';

/** Tests in a browser against a running stack: `MSR_URL` and `MSR_TOKEN` say where it is, and as whom. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.e2e.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
