export { config } from './src/lib/aoh/msr/modlet.config';
