import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Apart from the others, because they take long: thousands of batches, and the whole demo. */
export default defineConfig({
  // Memory is measured: each file has a process of its own.
  test: { ...COMMON, isolate: true, include: ['test/soak/**/*.test.ts'], testTimeout: 1_200_000 },
});
