import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Digest } from '../../src/common/hash.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { measureThroughput, tellable } from '../../src/measuring/throughput.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

describe('measuring', () => {
  it('hashes the first batches, and counts the same ones with and without hashing', async () => {
    const store = await makeStore(join(temporaryFolder(), 'store'), {
      shapes: [
        [12, 20, 17],
        [16, 16, 16],
        [9, 9, 9],
      ],
    });
    const options = { store, patchSize: [8, 9, 10], batchSize: 6, seed: 7, workers: 2 };
    const digest = await Digest.create();
    const foreground = { forced: 0, with_foreground: 0, patches: 0 };
    await using reference = await PatchLoader.create(options);
    for (let i = 0; i < 12; i++) {
      using batch = await reference.next();
      digest.update(batch.data).update(batch.target);
      foreground.patches += 6;
      foreground.forced += batch.plans.filter(({ forced }) => forced).length;
      foreground.with_foreground += batch.foreground.filter(Boolean).length;
    }
    for (const hash of [true, false]) {
      await using loader = await PatchLoader.create(options);
      const report = await measureThroughput(loader, { batches: 12, hash });
      expect(report).toMatchObject({ stream_hash: hash ? digest.hex() : null, foreground, batches: 12, workers: 2 });
      expect(report.configs).toEqual({ '8x9x10': { batches: 12, patches: 72 } });
      expect(report.patches_per_second).toBeGreaterThan(0);
      expect(report.cpu_ms_per_patch).toBeGreaterThan(0);
      expect(tellable({ ...report, too_few: false })).toMatchObject({
        patches_per_second: report.patches_per_second,
        cpu_ms_per_patch: report.cpu_ms_per_patch,
      });
      expect(tellable({ ...report, too_few: true })).toMatchObject({ patches_per_second: null, cpu_ms_per_patch: null, batches: 12 });
      expect(report.wait_fraction).toBeGreaterThan(0);
      expect(report.wait_fraction).toBeLessThanOrEqual(1);
      expect(report.peak_rss_bytes).toBeGreaterThan(10e6);
    }
  });
});
