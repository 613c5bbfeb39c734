import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Apart from the others, because it needs the registry to install the tarball's dependencies. */
export default defineConfig({ test: { ...COMMON, include: ['test/packaging/**/*.test.ts'] } });
