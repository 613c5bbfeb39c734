import { defineConfig } from 'vitest/config';
import { COMMON } from './vitest.ts';

/** Everything but what has a configuration of its own: `npm run test:soak`, `test:package`, `test:trainer`, `test:view`. */
export default defineConfig({
  test: {
    ...COMMON,
    include: ['test/**/*.test.ts'],
    exclude: ['test/{soak,packaging}/**', 'test/view/browser/**', 'test/training/{gpu,network}/**', 'test/training/*.test.ts'],
  },
});
