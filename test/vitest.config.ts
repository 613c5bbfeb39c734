import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Have configurations of their own: `npm run test:package`, `npm run test:trainer`.
    exclude: ['test/packaging/**', 'test/training/{gpu,network}/**', 'test/training/*.test.ts'],
    // Loaders start threads of their own: separate processes, and no more of them than small machines have cores.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
