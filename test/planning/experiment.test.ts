import { describe, expect, it } from 'vitest';
import type { ExperimentPlan } from '../../src/planning/experiment.ts';
import type { PlansConfiguration } from '../../src/plans/plans.ts';
import { HIPPOCAMPUS, LUNG, type PlannedDataset, plan } from '../fixtures/experiment.ts';

/** "512,512/12", by configuration. */
function sizes({ plans }: ExperimentPlan): Record<string, string> {
  const planned = Object.entries(plans.configurations).filter(([, entry]) => 'patch_size' in entry) as [string, PlansConfiguration][];
  return Object.fromEntries(planned.map(([name, entry]) => [name, `${entry.patch_size}/${entry.batch_size}`]));
}

const BRATS: PlannedDataset = {
  shape: [140, 171, 137],
  spacing: [1, 1, 1],
  cases: 1251,
  labels: 3,
  channels: ['T1', 'T1ce', 'T2', 'Flair'],
};
const BRAIN: PlannedDataset = { ...BRATS, shape: [138, 169, 138], cases: 484 };
const LIVER: PlannedDataset = { shape: [482, 512, 512], spacing: [1, 0.767578125, 0.767578125], cases: 131, labels: 2 };
const HEART: PlannedDataset = { shape: [115, 320, 232], spacing: [1.37, 1.25, 1.25], cases: 20, labels: 1 };
const PROSTATE: PlannedDataset = { shape: [20, 320, 319], spacing: [3.6, 0.62, 0.62], cases: 32, labels: 2 };
/** Coarse along z, with many slices. */
const COARSE: PlannedDataset = { shape: [90, 512, 512], spacing: [5, 0.79, 0.79], cases: 41, labels: 1 };

const [D2, FULL, LOW] = ['2d', '3d_fullres', '3d_lowres'];

/** As published, or as nnU-Net's own planners gave them. */
describe('known plans of the default planner', () => {
  it.each<[string, PlannedDataset, Record<string, string>]>([
    ['Lung', LUNG, { [D2]: '512,512/12', [FULL]: '80,192,160/2', [LOW]: '80,192,160/2' }],
    ['BraTS', BRATS, { [D2]: '192,160/105', [FULL]: '128,128,128/2' }],
    ['BrainTumour', BRAIN, { [D2]: '192,160/105', [FULL]: '128,128,128/2' }],
    ['Hippocampus', HIPPOCAMPUS, { [D2]: '56,40/366', [FULL]: '40,56,40/9' }],
    ['Liver', LIVER, { [D2]: '512,512/12', [FULL]: '128,128,128/2', [LOW]: '128,128,128/2' }],
    ['a smaller Liver', { ...LIVER, shape: [432, 512, 512] }, { [D2]: '512,512/12', [FULL]: '128,128,128/2', [LOW]: '128,128,128/2' }],
    ['Heart', HEART, { [D2]: '320,256/40', [FULL]: '80,192,160/2' }],
    ['Prostate', PROSTATE, { [D2]: '320,320/32', [FULL]: '20,320,256/2' }],
    ['a coarse one', COARSE, { [D2]: '512,512/12', [FULL]: '32,224,224/2', [LOW]: '56,192,192/2' }],
  ])('%s', (_, dataset, expected) => {
    expect(sizes(plan(dataset))).toEqual(expected);
  });

  it.each<[string, PlannedDataset, number[], number[]]>([
    ['Lung', LUNG, [2.3855103790575867, 1.5044405671133478, 1.5044405671133478], [132, 267, 267]],
    ['Liver', LIVER, [2.5000803, 1.919007, 1.919007], [193, 205, 205]],
    ['a smaller Liver', { ...LIVER, shape: [432, 512, 512] }, [2.4272625, 1.8631136, 1.8631136], [178, 211, 211]],
    ['a coarse one', COARSE, [5, 1.3449221, 1.3449221], [90, 301, 301]],
  ])('%s has a low resolution of its own', (_, dataset, spacing, median) => {
    const { configurations } = plan(dataset).plans;
    const lowres = configurations[LOW] as PlansConfiguration;
    expect(lowres.median_image_size_in_voxels).toEqual(median);
    lowres.spacing.forEach((size, axis) => {
      expect(size).toBeCloseTo(spacing[axis], 7);
    });
    expect(lowres).toMatchObject({ next_stage: '3d_cascade_fullres', batch_dice: false, data_identifier: 'nnUNetPlans_3d_lowres' });
    expect(configurations[FULL]).toMatchObject({ batch_dice: true });
    expect(configurations['3d_cascade_fullres']).toEqual({ inherits_from: FULL, previous_stage: LOW });
  });

  it('have strides and kernels for anisotropic voxels', () => {
    const { arch_kwargs: prostate } = (plan(PROSTATE).plans.configurations[FULL] as PlansConfiguration).architecture;
    expect(prostate.strides.join(' ')).toBe('1,1,1 1,2,2 1,2,2 2,2,2 2,2,2 1,2,2 1,2,2');
    expect(prostate.kernel_sizes.join(' ')).toBe('1,3,3 1,3,3 3,3,3 3,3,3 3,3,3 3,3,3 3,3,3');
    const { arch_kwargs: lung } = (plan(LUNG).plans.configurations[FULL] as PlansConfiguration).architecture;
    expect(lung.strides.join(' ')).toBe('1,1,1 2,2,2 2,2,2 2,2,2 2,2,2 1,2,2');
    expect(new Set(lung.kernel_sizes.flat())).toEqual(new Set([3]));
  });
});

describe('known plans of the residual planners', () => {
  it.each<[string, PlannedDataset, Record<string, Record<string, string>>]>([
    [
      'Lung',
      LUNG,
      {
        'resenc-m': { [D2]: '512,512/13', [FULL]: '80,192,160/2', [LOW]: '80,192,160/2' },
        'resenc-l': { [D2]: '512,512/35', [FULL]: '112,256,256/2', [LOW]: '112,256,256/2' },
        'resenc-xl': { [D2]: '512,512/52', [FULL]: '128,320,320/2' },
      },
    ],
    [
      'BraTS',
      BRATS,
      {
        'resenc-m': { [D2]: '192,160/107', [FULL]: '128,128,128/2' },
        'resenc-l': { [D2]: '192,160/301', [FULL]: '160,192,160/3' },
        'resenc-xl': { [D2]: '192,160/444', [FULL]: '160,192,160/5' },
      },
    ],
    [
      'Hippocampus',
      HIPPOCAMPUS,
      {
        'resenc-m': { [D2]: '56,40/1618', [FULL]: '40,56,40/58' },
        'resenc-l': { [D2]: '56,40/4554', [FULL]: '40,56,40/178' },
        'resenc-xl': { [D2]: '56,40/6711', [FULL]: '40,56,40/183' },
      },
    ],
    [
      'Liver',
      LIVER,
      {
        'resenc-m': { [D2]: '512,512/12', [FULL]: '128,128,128/2', [LOW]: '128,128,128/2' },
        'resenc-l': { [D2]: '512,512/35', [FULL]: '192,192,192/2', [LOW]: '192,192,192/2' },
        'resenc-xl': { [D2]: '512,512/52', [FULL]: '224,256,224/2', [LOW]: '224,256,224/2' },
      },
    ],
  ])('%s', (_, dataset, expected) => {
    for (const [planner, found] of Object.entries(expected))
      expect(sizes(plan(dataset, { planner: planner as 'resenc-m' })), planner).toEqual(found);
  });

  it('the older one has the networks of M and the batches of the default planner', () => {
    const [older, newer] = (['resenc', 'resenc-m'] as const).map((planner) => plan(HIPPOCAMPUS, { planner }));
    expect(sizes(older)).toEqual({ [D2]: '56,40/366', [FULL]: '40,56,40/9' });
    expect(older.decisions.map(({ network }) => network)).toEqual(newer.decisions.map(({ network }) => network));
    expect(older.plans).toMatchObject({ plans_name: 'nnUNetResEncUNetPlans', experiment_planner_used: 'ResEncUNetPlanner' });
  });

  it('share the data of the default planner where the grid is the same', () => {
    const { configurations } = plan(LUNG, { planner: 'resenc-l' }).plans;
    expect([D2, FULL, LOW].map((name) => (configurations[name] as PlansConfiguration).data_identifier)).toEqual([
      'nnUNetPlans_2d',
      'nnUNetPlans_3d_fullres',
      'nnUNetResEncUNetLPlans_3d_lowres',
    ]);
  });
});
