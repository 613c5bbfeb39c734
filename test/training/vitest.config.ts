import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Apart from the others, because it needs a GPU or a software Vulkan (`.ci/software-vulkan` installs one on Debian). */
export default defineConfig({
  test: {
    ...COMMON,
    include: ['test/training/**/*.test.ts'],
    exclude: ['test/training/prediction/**'],
    testTimeout: 240_000,
    hookTimeout: 400_000,
  },
});
