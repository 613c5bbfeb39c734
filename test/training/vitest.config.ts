import { defineConfig } from 'vitest/config';

/** Apart from the others, because it needs a GPU or a software Vulkan (`.ci/software-vulkan` installs one on Debian). */
export default defineConfig({
  test: {
    include: ['test/training/**/*.test.ts'],
    exclude: ['test/training/prediction/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 400_000,
  },
});
