import { defineConfig } from 'vitest/config';
import { COMMON } from '../vitest.ts';

/** Apart from the others, because they need a server: MinIO, which `.ci/minio` builds. */
export default defineConfig({ test: { ...COMMON, include: ['test/s3/**/*.test.ts'] } });
