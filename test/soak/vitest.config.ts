import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Apart from the others, because they take long: thousands of batches, and the whole demo. */
export default defineConfig({ test: { ...COMMON, include: ['test/soak/**/*.test.ts'], testTimeout: 300_000 } });
