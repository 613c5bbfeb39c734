import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Node with a newer Mesa than the system's, where `.ci/newer-mesa` made one: processes of tests are started by it. */
const NEWER = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'voxfeed-mesa/node');
if (existsSync(NEWER)) {
  process.env.VOXFEED_NODE = process.execPath;
  process.execPath = NEWER;
}

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
