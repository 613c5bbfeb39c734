import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { asB2nd, type B2ndStore } from '../fixtures/b2nd-store.ts';
import { loaderFixture } from '../fixtures/loader.ts';

const IN_WORKERS = ['read', 'decode', 'warpImage', 'warpLabels', 'transforms', 'mirror', 'deepSupervision', 'other'] as const;

/** Metrics after so many batches, and the operations of all samples that were made for certain. */
async function stream(options: Parameters<typeof PatchLoader.create>[0], batches: number) {
  await using loader = await PatchLoader.create(options);
  const drawn: Record<string, number> = {};
  for (let i = 0; i < batches; i++) {
    using batch = await loader.next();
    for (const { operations } of batch.plans) for (const { transform } of operations) drawn[transform] = (drawn[transform] ?? 0) + 1;
  }
  return { drawn, metrics: loader.metrics() };
}

describe('time by stage', () => {
  it('comes to the time of the workers, and names every transform that was drawn', async () => {
    const { options } = await loaderFixture({
      augmentation: 'default',
      deepSupervision: [
        [1, 1, 1],
        [0.5, 0.5, 0.5],
      ],
    });
    const { drawn, metrics } = await stream(options, 40);
    const { stages, transforms, workerBusyMs, workerCpuMs } = metrics;
    expect(IN_WORKERS.reduce((sum, stage) => sum + stages[stage], 0)).toBeCloseTo(workerBusyMs, 6);
    for (const stage of ['read', 'warpImage', 'warpLabels', 'transforms', 'deepSupervision', 'plan', 'dispatch'] as const)
      expect(stages[stage], stage).toBeGreaterThan(0);
    // Mirroring is done while patches are read; nothing is compressed.
    expect([stages.mirror, stages.decode]).toEqual([0, 0]);
    expect(workerCpuMs).toBeGreaterThan(0);
    const { mirror, ...others } = drawn;
    expect(mirror).toBeGreaterThan(0);
    expect(transforms.mirror).toEqual({ ms: 0, samples: 0 });
    // The workers are ahead of the consumer.
    for (const [name, times] of Object.entries(others)) expect(transforms[name].samples, name).toBeGreaterThanOrEqual(times);
    expect(transforms.spatial.ms).toBeCloseTo(stages.warpImage + stages.warpLabels, 6);
    const intensity = Object.entries(transforms).filter(([name]) => name !== 'spatial' && name !== 'mirror');
    expect(intensity.reduce((sum, [, { ms }]) => sum + ms, 0)).toBeCloseTo(stages.transforms, 6);
  });

  it('tells decompressing from reading, and finds it where it bounds a stream', async () => {
    const { dir, store, options } = await loaderFixture({ shapes: [[24, 40, 40]], patchSize: [16, 24, 24], batchSize: 2, cacheBytes: 0 });
    const layout: B2ndStore['image'] = { chunk: [1, 24, 40, 40], block: [1, 12, 20, 20] };
    const packed = await asB2nd(store, join(dir, 'b2nd'), { codec: 'zstd', image: layout, labels: layout });
    await using loader = await PatchLoader.create({ ...options, store: packed });
    const { bound, measured } = await loader.diagnose({ seconds: 0.5, consumerMs: 0 });
    expect(bound).toBe('decoding');
    expect(measured.format).toBe('b2nd');
    const { stages } = loader.metrics();
    expect(stages.decode).toBeGreaterThan(0.3 * stages.read);
    expect(stages.read).toBeGreaterThan(0);
  });

  it('has all configurations of a mixed stream, and validation', async () => {
    const { options } = await loaderFixture();
    const { patchSize, batchSize, ...others } = options;
    const configs = [
      { patchSize: [8, 9, 10], batchSize: 2, augmentation: [{ transform: 'gamma', probability: 1 }] },
      {
        patchSize: [6, 6],
        batchSize: 3,
        augmentation: [
          { transform: 'noise', probability: 1 },
          { transform: 'gamma', probability: 1 },
        ],
      },
    ] as const;
    const { metrics } = await stream({ ...others, configs }, 12);
    expect(Object.keys(metrics.transforms)).toEqual(['gamma', 'noise']);
    const { gamma, noise } = metrics.transforms;
    // Batches take turns: 2 samples with gamma alone, 3 with both.
    expect(noise.samples).toBeGreaterThanOrEqual(18);
    expect(gamma.samples).toBeGreaterThanOrEqual(30);
    expect(gamma.ms + noise.ms).toBeCloseTo(metrics.stages.transforms, 6);
    expect(metrics.stages.warpImage).toBe(0);
  });
});
