import { defineConfig } from 'vitest/config';

/** Apart from the others, because it needs the registry to install the tarball's dependencies. */
export default defineConfig({ test: { include: ['test/packaging/**/*.test.ts'], pool: 'forks', testTimeout: 120_000 } });
