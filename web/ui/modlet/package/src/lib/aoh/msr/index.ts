export * from 'msr-replay/compat';
