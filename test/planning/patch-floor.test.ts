import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../src/common/errors.ts';
import { type ExperimentPlan, planExperiment } from '../../src/planning/experiment.ts';
import { PLANNERS } from '../../src/planning/planners.ts';
import { describeDataset, HIPPOCAMPUS, plan } from '../fixtures/experiment.ts';
import { randomFingerprints } from '../fixtures/random-fingerprint.ts';

/** What makes nnU-Net 2.8.1 end with "OverflowError: cannot convert float infinity to integer". */
describe('volumes that no patch has a voxel of', () => {
  it.each<[string, [number, number, number], [number, number, number], string]>([
    ['one slice along x', [2048, 1536, 1], [1, 1, 1], '3d_lowres can be planned: .* thin along axis x that no voxel of 2.\\d+ mm'],
    ['one slice along y', [2048, 1, 1536], [1, 1, 1], '3d_lowres can be planned: .* thin along axis y'],
    ['two slices along x', [3000, 3000, 2], [1, 1, 1], '3d_lowres can be planned: .* thin along axis x'],
    ['voxels far too long along z', [64, 64, 64], [20000, 1, 1], '3d_fullres can be planned: voxels are 20000 mm along axis z and 1 mm'],
    ['voxels far too long along y', [64, 64, 64], [1, 20000, 1], '3d_fullres can be planned: voxels are 20000 mm along axis y and 1 mm'],
    ['voxels far too short along x', [64, 64, 64], [1, 1, 1e-8], '2d can be planned: voxels are 1 mm along axis y and 1e-8 mm'],
  ])('%s: the axis is named, and how to store them', (_, shape, spacing, what) => {
    for (const planner of PLANNERS) {
      const planning = () => plan({ ...HIPPOCAMPUS, shape, spacing }, { planner });
      expect(planning).toThrow(DatasetError);
      expect(planning).toThrow(new RegExp(`^Dataset001_Test: no ${what}.*which makes them 2D data$`));
    }
  });

  it.each<[string, [number, number, number], [number, number, number], object]>([
    // As the error says to store them.
    ['one slice along x that has the largest spacing', [2048, 1536, 1], [1, 1, 999], { '2d': [1536, 1024] }],
    ['one slice of voxels that are far too long', [1, 64, 64], [20000, 1, 1], { '2d': [64, 64] }],
    // As nnU-Net 2.8.1 plans them.
    ['three slices', [3, 3000, 3000], [1, 1, 1], { '2d': [1280, 1024], '3d_lowres': [1, 256, 256], '3d_fullres': [3, 256, 256] }],
  ])('but not %s', (_, shape, spacing, patches) => {
    const { decisions } = plan({ ...HIPPOCAMPUS, shape, spacing, labels: 1, cases: 5 });
    expect(Object.fromEntries(decisions.map(({ name, patch }) => [name, patch]))).toEqual(patches);
  });
});

describe('ten thousand random fingerprints', () => {
  it('give a plan in range or an error that names the axis', () => {
    const next = randomFingerprints(20261127);
    const count = { planned: 0, refused: 0 };
    for (let i = 0; i < 10_000; i++) {
      const { fingerprint, ...rest } = next();
      let found: ExperimentPlan;
      try {
        const dataset = describeDataset({ ...rest, shape: fingerprint.shapes_after_crop[0], spacing: fingerprint.spacings[0] });
        found = planExperiment(fingerprint, dataset, { planner: PLANNERS[i % PLANNERS.length] });
      } catch (error) {
        expect(error, `number ${i}`).toBeInstanceOf(DatasetError);
        expect((error as DatasetError).what, `number ${i}`).toMatch(/^no (2d|3d_lowres|3d_fullres) can be planned: .* along axis [xyz] /);
        count.refused++;
        continue;
      }
      count.planned++;
      for (const { name, patch, batch, spacing, memory } of found.decisions) {
        const inRange = [
          patch.every((length) => Number.isInteger(length) && length >= 1 && length <= 2 ** 26),
          Number.isSafeInteger(batch) && batch >= 2,
          spacing.every((length) => Number.isFinite(length) && length > 0),
          Number.isFinite(memory.float32.total + memory.mixed.total),
        ];
        expect(inRange, `${name} of number ${i}`).toEqual([true, true, true, true]);
      }
    }
    // The seed's own: none is left out, and a change of what is refused shows.
    expect(count).toEqual({ planned: 7013, refused: 2987 });
  }, 600_000);
});
