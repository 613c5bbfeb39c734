import { describe, expect, it } from 'vitest';
import { cropSize, enlarged } from '../../src/augmentation/crop-size.ts';
import { presetSteps, trainerSpatial } from '../../src/augmentation/presets.ts';
import { completeSteps } from '../../src/augmentation/steps.ts';
import type { CompleteSpatialStep } from '../../src/augmentation/transforms/spatial/spatial.ts';
import { has, readJson } from './golden.ts';

const PATH = 'sampling/initial_patch_size.json';
const DEGREE = Math.PI / 180;

describe.skipIf(!has(PATH))('golden crop sizes', () => {
  for (const { patch_size, trainer, ...recorded } of has(PATH) ? readJson(PATH).cases : []) {
    it(`patch ${patch_size}`, () => {
      expect(enlarged(patch_size, 30 * DEGREE, 0.85)).toEqual(recorded.pm30);
      expect(enlarged(patch_size, 15 * DEGREE, 0.85)).toEqual(recorded.pm15);
      expect(enlarged(patch_size, Math.PI, 0.85)).toEqual(recorded.pm180);
      expect(enlarged(patch_size, 0, 0.7)).toEqual(recorded.no_rotation_scale_07_14);
    });

    it(`patch ${patch_size}: what the trainer makes of it`, () => {
      const { rotation, dummy2d, mirrorAxes } = trainerSpatial(patch_size);
      rotation.forEach((angle, i) => void expect(angle).toBeCloseTo(trainer.rotation_rad[i], 12));
      expect(dummy2d).toBe(trainer.do_dummy_2d_data_aug);
      expect(mirrorAxes).toEqual(trainer.mirror_axes.map((axis: number) => axis + 3 - patch_size.length));
      const [step] = completeSteps(presetSteps('default', { patchSize: patch_size }));
      expect(cropSize(patch_size, step as CompleteSpatialStep)).toEqual(trainer.initial_patch_size);
    });
  }
});
