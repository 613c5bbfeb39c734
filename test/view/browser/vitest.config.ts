import { defineConfig } from 'vitest/config';
import { COMMON } from '../../vitest.ts';

/** The page in a browser: Debian's Chromium, or the one that VOXFEED_CHROMIUM names. */
export default defineConfig({
  test: { ...COMMON, include: ['test/view/browser/*.test.ts'] },
});
