import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Apart from the others, because it needs a GPU or a software Vulkan (`.ci/software-vulkan` installs one on Debian). */
export default defineConfig({
  test: {
    ...COMMON,
    // A device lost in one file is not lost in the next.
    isolate: true,
    include: ['test/training/**/*.test.ts'],
    exclude: ['test/training/{prediction,checkpoint}/**'],
    testTimeout: 240_000,
    hookTimeout: 400_000,
  },
});
