import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const LABELS = { background: 0, organ: 1, ignore: 2 };
const REGIONS = { background: 0, whole: [1, 2], core: 2, ignore: 3 };
const SHAPES = Array.from({ length: 4 }, () => [8, 8, 8] as [number, number, number]);

/** Of four cases: nothing, the ignore label alone, both, the organ alone. */
const labelOf = (organ: number, ignored: number) => (caseNumber: number, z: number, y: number, x: number) => {
  if (z !== 4 || y !== 4 || x < 3 || x > 4) return 0;
  return [0, ignored, x === 3 ? organ : ignored, organ][caseNumber];
};

it.each([
  ['labels', LABELS, labelOf(1, 2), 'none'],
  ['labels after augmentation', LABELS, labelOf(1, 2), [{ transform: 'mirror', axes: [0, 1, 2] }]],
  ['regions', REGIONS, labelOf(2, 3), [{ transform: 'mirror', axes: [0, 1, 2] }]],
] as const)('the ignore label is no foreground of %s', async (_, labels, label, augmentation) => {
  const store = await makeStore(join(temporaryFolder(), 'store'), { shapes: SHAPES, labels: labels as never, label });
  // Patches as large as the volumes: each shows all of its case.
  const choice = {
    patchSize: [8, 8, 8],
    batchSize: 4,
    oversample: 0,
    workers: 1,
    deepSupervision: [[1, 1, 1]],
    seed: 5,
    regions: 'core' in labels,
  };
  await using loader = await PatchLoader.create({ store, augmentation: augmentation as never, ...choice });
  const seen = new Set<string>();
  for (let i = 0; i < 8; i++) {
    using batch = await loader.next();
    for (const [slot, { caseNumber }] of batch.plans.entries()) {
      seen.add(`${caseNumber} ${batch.foreground[slot]}`);
    }
  }
  expect([...seen].sort()).toEqual(['0 false', '1 false', '2 true', '3 true']);
});
