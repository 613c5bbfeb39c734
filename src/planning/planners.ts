/** The planners of nnU-Net by the names of `--planner`. */
export const PLANNERS = ['default', 'resenc', 'resenc-m', 'resenc-l', 'resenc-xl'] as const;

/** One of nnU-Net's planners, as `--planner` names it. */
export type PlannerName = (typeof PLANNERS)[number];

/** What one of nnU-Net's planners assumes (docs/nnunet.md#patch-and-batch). */
export interface Planner {
  /** Of the class, as plans record it in `experiment_planner_used`. */
  className: string;
  plansName: string;
  network: 'plain' | 'residual';
  /** The network size, in the planner's unit, that fills `referenceGb` at the reference batch size. */
  referenceSize: { 2: number; 3: number };
  referenceGb: number;
  /** A batch may cover this part of all voxels of the data set. */
  coverage: number;
  /** Whether a patch is too large is asked for batches of 2 (its smallest) instead of the reference batch size. */
  toleratesSmallBatches: boolean;
}

/** The batch sizes that `referenceSize` was measured with. */
export const REFERENCE_BATCH = { 2: 12, 3: 2 } as const;
export const SMALLEST_BATCH = 2;
/** Feature maps start with 32 channels and double at each stage, up to here. */
export const FIRST_FEATURES = 32;
export const MOST_FEATURES = { 2: 512, 3: 320 } as const;
/** No feature map gets smaller than this along any axis. */
export const SMALLEST_EDGE = 4;

const residual = { network: 'residual', toleratesSmallBatches: false } as const;

export const PLANNER: Record<PlannerName, Planner> = {
  default: {
    className: 'ExperimentPlanner',
    plansName: 'nnUNetPlans',
    network: 'plain',
    referenceSize: { 2: 85_000_000, 3: 560_000_000 },
    referenceGb: 8,
    coverage: 0.05,
    toleratesSmallBatches: true,
  },
  resenc: {
    ...residual,
    className: 'ResEncUNetPlanner',
    plansName: 'nnUNetResEncUNetPlans',
    referenceSize: { 2: 135_000_000, 3: 680_000_000 },
    referenceGb: 8,
    coverage: 0.05,
  },
  'resenc-m': {
    ...residual,
    className: 'nnUNetPlannerResEncM',
    plansName: 'nnUNetResEncUNetMPlans',
    referenceSize: { 2: 135_000_000, 3: 680_000_000 },
    referenceGb: 8,
    coverage: 1,
  },
  'resenc-l': {
    ...residual,
    className: 'nnUNetPlannerResEncL',
    plansName: 'nnUNetResEncUNetLPlans',
    referenceSize: { 2: 380_000_000, 3: 2_100_000_000 },
    referenceGb: 24,
    coverage: 1,
  },
  'resenc-xl': {
    ...residual,
    className: 'nnUNetPlannerResEncXL',
    plansName: 'nnUNetResEncUNetXLPlans',
    referenceSize: { 2: 560_000_000, 3: 3_600_000_000 },
    referenceGb: 40,
    coverage: 1,
  },
};

/** Blocks of the residual encoder by stage; deeper stages have as many as the last. */
const RESIDUAL_BLOCKS = [1, 3, 4, 6, 6, 6];
/** Convolutions a stage: of the plain encoder and its decoder, and of the residual encoder's decoder. */
const PLAIN_CONVOLUTIONS = 2;
const RESIDUAL_DECODER_CONVOLUTIONS = 1;

/** How many convolutions (plain) or blocks (residual) each of `stages` encoder stages has, and each decoder stage. */
export function depthOf(network: Planner['network'], stages: number): { encoder: number[]; decoder: number[] } {
  const plain = network === 'plain';
  return {
    encoder: Array.from({ length: stages }, (_, i) =>
      plain ? PLAIN_CONVOLUTIONS : RESIDUAL_BLOCKS[Math.min(i, RESIDUAL_BLOCKS.length - 1)],
    ),
    decoder: Array.from({ length: stages - 1 }, () => (plain ? PLAIN_CONVOLUTIONS : RESIDUAL_DECODER_CONVOLUTIONS)),
  };
}
