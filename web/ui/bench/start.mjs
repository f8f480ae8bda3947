// Node 20 reads no TypeScript: Vite does. Whoever starts this says in `MSR_BENCH` what to measure (`Plan` in measure.ts).
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const path = fileURLToPath(new URL('./measure.ts', import.meta.url));
const { module } = await runnerImport(path, { configFile: false, logLevel: 'error' });
await module.measure(JSON.parse(process.env.MSR_BENCH));
process.exit(0);
