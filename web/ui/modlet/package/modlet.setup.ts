export { setup } from './src/lib/aoh/msr/modlet.setup';
