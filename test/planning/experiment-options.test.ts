import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { planExperiment } from '../../src/planning/experiment.ts';
import type { DatasetFingerprint } from '../../src/planning/fingerprint.ts';
import type { PlannerName } from '../../src/planning/planners.ts';
import type { PlansConfiguration } from '../../src/plans/plans.ts';
import { resolveConfiguration } from '../../src/plans/plans-file.ts';
import { describeDataset, HIPPOCAMPUS, LUNG, type PlannedDataset, plan } from '../fixtures/experiment.ts';

const configuration = (dataset: PlannedDataset, name = '3d_fullres') => plan(dataset).plans.configurations[name] as PlansConfiguration;

describe('an option of planning', () => {
  it('that names no planner is refused with the names', () => {
    for (const planner of ['nnUNetPlannerResEncM', 'Default', '', 'toString'] as string[] as PlannerName[]) {
      expect(() => plan(HIPPOCAMPUS, { planner })).toThrow(OptionError);
      expect(() => plan(HIPPOCAMPUS, { planner })).toThrow(
        `planner: ${JSON.stringify(planner)} is not known. Choose one of default, resenc, resenc-m, resenc-l, resenc-xl`,
      );
    }
  });

  it.each([0, -8, Number.NaN, Number.POSITIVE_INFINITY])('that gives a GPU %d GB is refused', (gpuMemoryGb) => {
    expect(() => plan(HIPPOCAMPUS, { gpuMemoryGb })).toThrow(OptionError);
    expect(() => plan(HIPPOCAMPUS, { gpuMemoryGb })).toThrow(/^gpuMemoryGb: .* is not a number above 0\./);
  });

  it('that gives too little memory is refused with its name', () => {
    expect(() => plan(LUNG, { gpuMemoryGb: 1e-10 })).toThrow(/^gpuMemoryGb: no patch fits into 1e-10 GB/);
  });

  it('gives a GPU what the planner was made for where nothing is said', () => {
    const gigabytes = (['default', 'resenc', 'resenc-m', 'resenc-l', 'resenc-xl'] as const).map(
      (planner) => plan(HIPPOCAMPUS, { planner }).gpuMemoryGb,
    );
    expect(gigabytes).toEqual([8, 8, 8, 24, 40]);
    expect(plan(LUNG, { gpuMemoryGb: 8 }).plans).toEqual(plan(LUNG).plans);
  });

  it('gives larger patches on a larger GPU, and finds them without a low resolution where they cover enough', () => {
    const { plans, gpuMemoryGb, decisions } = plan(LUNG, { gpuMemoryGb: 24 });
    expect(gpuMemoryGb).toBe(24);
    // The default planner for three times the memory: three times the network in 3D.
    const [flat, lowres, fullres] = decisions;
    expect(decisions.map(({ name }) => name)).toEqual(['2d', '3d_lowres', '3d_fullres']);
    expect(flat).toMatchObject({ patch: [512, 512], batch: 37 });
    for (const { reasons, size } of [lowres, fullres]) {
      expect(reasons.allowedSize).toBe(3 * 560e6);
      expect(size).toBeLessThanOrEqual(3 * 560e6);
      expect(size).toBeGreaterThan(560e6);
    }
    expect(plans.plans_name).toBe('nnUNetPlans');
    expect(plan(LUNG, { gpuMemoryGb: 80 }).decisions.map(({ name }) => name)).toEqual(['2d', '3d_fullres']);
  });
});

describe('the labels of a data set', () => {
  const sizeOf = (labels: PlannedDataset['labels']) => plan({ ...HIPPOCAMPUS, labels }).decisions[1];

  it('count as entries for the size of the network: regions, background and the ignore label alike', () => {
    const plain = sizeOf(2);
    for (const labels of [
      { whole: [1, 2], core: 2 },
      { a: 1, ignore: 2 },
    ])
      expect(sizeOf(labels).size).toBe(plain.size);
    // One more head is one more map of the patch.
    expect(sizeOf({ a: 1, b: 2, ignore: 3 }).size - plain.size).toBe(40 * 56 * 40);
  });

  it('count as outputs for its memory: regions without the background, and never the ignore label', () => {
    const parameters = (labels: PlannedDataset['labels']) => sizeOf(labels).memory.parameters;
    const [two, three, four] = [1, 2, 3].map(parameters);
    expect(three - two).toBe(four - three);
    expect(parameters({ a: 1, b: 2, ignore: 3 })).toBe(three);
    expect(parameters({ whole: [1, 2, 3], core: [2, 3], enhancing: 3 })).toBe(three);
    expect(parameters({ whole: [1, 2, 3], core: [2, 3], enhancing: 3, ignore: 4 })).toBe(three);
  });
});

describe('a data set', () => {
  it('of single slices has no 3D configuration', () => {
    const { plans, decisions } = plan({ ...HIPPOCAMPUS, shape: [1, 300, 280], spacing: [999, 1, 1] });
    expect(Object.keys(plans.configurations)).toEqual(['2d']);
    expect(decisions.map(({ name }) => name)).toEqual(['2d']);
    expect(decisions[0]).toMatchObject({ spacing: [1, 1], median: [300, 280] });
  });

  it('with its coarsest axis elsewhere is transposed, and planned in that order', () => {
    const straight = plan({ ...LUNG, shape: [40, 512, 500], spacing: [3, 0.8, 0.7] }).plans;
    const turned = plan({ ...LUNG, shape: [512, 500, 40], spacing: [0.8, 0.7, 3] }).plans;
    expect(turned).toMatchObject({ transpose_forward: [2, 0, 1], transpose_backward: [1, 2, 0] });
    expect(turned).toMatchObject({
      original_median_spacing_after_transp: [3, 0.8, 0.7],
      original_median_shape_after_transp: [40, 512, 500],
    });
    expect(turned.configurations).toEqual(straight.configurations);
  });

  it('of cases of different shapes is planned for their medians after resampling', () => {
    const fingerprint: DatasetFingerprint = {
      spacings: [
        [1, 1, 1],
        [2, 1, 1],
        [2, 1, 1],
        [4, 1, 1],
      ],
      shapes_after_crop: [
        [41, 50, 60],
        [20, 50, 61],
        [21, 51, 61],
        [10, 50, 60],
      ],
      foreground_intensity_properties_per_channel: {},
      median_relative_size_after_cropping: 1,
    };
    const { plans } = planExperiment(fingerprint, describeDataset(HIPPOCAMPUS));
    const fullres = plans.configurations['3d_fullres'] as PlansConfiguration;
    expect(fullres.spacing).toEqual([2, 1, 1]);
    // Along z: 20 (of 20.5), 20, 21 and 20.
    expect(fullres.median_image_size_in_voxels).toEqual([20, 50, 60.5]);
    expect(plans.original_median_shape_after_transp).toEqual([20, 50, 60]);
  });

  it('that is mostly zero has its z-scores masked, and only those', () => {
    const channels = ['T1', 'CT', 'noNorm'];
    expect(configuration({ ...HIPPOCAMPUS, channels, relativeSize: 0.74 })).toMatchObject({
      normalization_schemes: ['ZScoreNormalization', 'CTNormalization', 'NoNormalization'],
      use_mask_for_norm: [true, false, false],
    });
    expect(configuration({ ...HIPPOCAMPUS, channels, relativeSize: 0.75 }).use_mask_for_norm).toEqual([false, false, false]);
  });

  it('has plans that can be followed, every configuration of them', () => {
    const { plans } = plan(LUNG);
    for (const name of Object.keys(plans.configurations)) {
      const { patchSize, batchSize, network } = resolveConfiguration('plans', plans, name);
      expect(patchSize.length).toBe(name === '2d' ? 2 : 3);
      expect(batchSize).toBeGreaterThanOrEqual(2);
      expect(network?.strides.length).toBe(network?.features.length);
    }
    expect(JSON.parse(JSON.stringify(plans))).toEqual(plans);
  });
});
