import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { makeRawDataset, numbers, type RawCaseContent } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** A case with zeros around, and boxes of the labels 1 to 3 (3 is ignored), of another place and size in each. */
function boxes(id: string, shape: Triple, spacing: Triple, seed: number): RawCaseContent {
  const next = numbers(seed);
  const places = [1, 2, 3].map((label) => {
    const low = shape.map((size) => 1 + next(size - 3));
    return { label, low, high: low.map((start, axis) => Math.min(shape[axis] - 1, start + 1 + next(5))) };
  });
  const image: number[] = [];
  const labels: number[] = [];
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++) {
        const at = [z, y, x];
        const found = places.find(({ low, high }) => at.every((index, axis) => index >= low[axis] && index < high[axis]));
        labels.push(found?.label ?? 0);
        image.push(at.every((index, axis) => index >= 1 && index < shape[axis] - 1) ? 1 + next(100) : 0);
      }
    }
  }
  return { id, shape, spacing, images: [image], label: labels };
}

describe('what planning measures of labels', () => {
  it('is what preprocessing then finds, whatever the spacing, the order of axes and the labels', async () => {
    const dir = temporaryFolder();
    const spacings: Triple[] = [
      [1, 1, 4],
      [1, 1, 4],
      [0.7, 1.3, 4],
      [1, 1, 7],
      [1, 1, 4],
    ];
    const shapes: Triple[] = [
      [16, 18, 6],
      [15, 17, 7],
      [20, 14, 6],
      [16, 16, 5],
      [17, 18, 6],
    ];
    const empty = Array.from({ length: 12 }, (_, i) => ({
      ...boxes(`empty${i}`, [9, 9, 5], [1, 1, 4], i),
      label: new Uint8Array(9 * 9 * 5),
    }));
    const raw = makeRawDataset(join(dir, 'raw'), {
      labels: { background: 0, whole: [1, 2], core: 2, ignore: 3 },
      // Each case has its share of a hundred million draws, with labels or without: these keep the others short.
      cases: [...spacings.map((spacing, i) => boxes(`case${i}`, shapes[i], spacing, i + 1)), ...empty],
    });
    const { plans, oversampling } = await planDataset(raw, { outDir: join(dir, 'full'), workers: 2 });
    expect(plans.transpose_forward).toEqual([2, 0, 1]);
    await preprocess(raw, join(dir, 'full'), { workers: 2 });
    await preprocess(raw, join(dir, 'flat'), { workers: 2, plans: join(dir, 'full', 'nnUNetPlans.json'), config: '2d' });
    const found = await Promise.all(['flat', 'full'].map(async (name) => openStore(join(dir, name))));
    expect(oversampling.map(({ configuration }) => configuration)).toEqual(['2d', '3d_fullres']);
    for (const [i, { cases }] of oversampling.entries()) {
      const { patch } = cases[0];
      const stored = found[i].cases.map(({ id }, caseNumber) => {
        const { coverage } = found[i].sidecar(caseNumber);
        return { id, ...coverage.find((entry) => entry.patch.join() === patch.join()) };
      });
      expect(cases).toEqual(stored);
      // The labels are there, and not in every patch.
      expect(cases.some(({ classes }) => classes[0] > 0 && classes[0] < 1)).toBe(true);
      for (const { id, any, classes } of cases) {
        expect([classes.length, classes[2]]).toEqual([3, 0]);
        expect(any > 0).toBe(id.startsWith('case'));
      }
    }
  });
});
