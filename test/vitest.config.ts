import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Needs the registry to install the tarball's dependencies: `npm run test:package`.
    exclude: process.env.VOXFEED_PACKAGE_TEST ? [] : ['test/packaging/**'],
    // Loaders start threads of their own: separate processes, and no more of them than small machines have cores.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
