import { defineConfig } from 'vitest/config';
import { COMMON } from './vitest.ts';

/** Everything but what has a configuration of its own: `npm run test:soak`, `test:package`, `test:trainer`, `test:view`, `test:s3`. */
export default defineConfig({
  test: {
    ...COMMON,
    include: ['test/**/*.test.ts'],
    exclude: ['test/{soak,packaging,s3}/**', 'test/view/browser/**', 'test/training/{gpu,network}/**', 'test/training/*.test.ts'],
  },
});
