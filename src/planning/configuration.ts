import { OptionError } from '../common/errors.ts';
import { voxels } from '../common/geometry.ts';
import { roundHalfEven } from '../common/round.ts';
import { featureMapSize, type Network } from '../plans/network.ts';
import { depthOf, FIRST_FEATURES, MOST_FEATURES, type Planner, REFERENCE_BATCH, SMALLEST_BATCH } from './planners.ts';
import { planTopology, type Topology } from './topology.ts';

/** What one configuration is planned from. Axes are transposed: the coarsest first; 2D configurations leave it out. */
export interface ConfigurationInput {
  /** Millimetres, two axes or three. */
  spacing: readonly number[];
  /** Median shape after resampling; may end in .5. */
  median: readonly number[];
  /** Voxels of the whole data set after resampling. */
  datasetVoxels: number;
  /** Entries of "labels" in dataset.json, background and "ignore" included. */
  heads: number;
  planner: Planner;
  gpuMemoryGb: number;
}

/** A patch size, a batch size and a network for them, and how they were found. */
export interface PlannedConfiguration {
  patch: number[];
  batch: number;
  network: Network;
  /** Of the network for one patch, in the planner's unit. */
  size: number;
  reasons: Reasons;
}

/** Why a patch and a batch are as large as they are. */
export interface Reasons {
  /** A patch with the voxel count of a cube of 256 (square of 2048) and the inverse aspect ratio of the spacing. */
  fromSpacing: number[];
  /** No larger than the median volume. */
  withinMedian: number[];
  /** A multiple of what the network can halve. */
  divisible: number[];
  /** Each time the network was too large: which axis became smaller. */
  reductions: { axis: number; from: number; to: number; size: number; sizeAfter: number }[];
  /** The size that the GPU memory allows at the reference batch size. */
  allowedSize: number;
  /** Batch sizes that memory and the size of the data set allow; the batch is the smaller one, but never below 2. */
  batchByMemory: number;
  batchByDataset: number;
}

/** The edge of the square or cube that has as many pixels or voxels as the first attempt at a patch. */
const FIRST_EDGE = { 2: 2048, 3: 256 } as const;

/**
 * The largest patch that fits the GPU, then the largest batch (docs/nnunet.md#patch-and-batch).
 * @throws OptionError if the memory is too small for any patch
 */
export function planConfiguration({
  spacing,
  median,
  datasetVoxels,
  heads,
  planner,
  gpuMemoryGb,
}: ConfigurationInput): PlannedConfiguration {
  const dimensions = spacing.length as 2 | 3;
  const referenceBatch = REFERENCE_BATCH[dimensions];
  const allowedSize = planner.referenceSize[dimensions] * (gpuMemoryGb / planner.referenceGb);
  const sizeOf = (topology: Topology): number => featureMapSize(networkOf(planner, topology), topology.patch, heads);
  const isTooLarge = (size: number): boolean =>
    (planner.toleratesSmallBatches ? (size / referenceBatch) * SMALLEST_BATCH : size) > allowedSize;

  const fromSpacing = firstPatch(spacing, FIRST_EDGE[dimensions]);
  const withinMedian = fromSpacing.map((length, axis) => Math.min(length, median[axis]));
  let topology = planTopology(spacing, withinMedian);
  let size = sizeOf(topology);
  const divisible = topology.patch;
  const reductions: Reasons['reductions'] = [];
  while (isTooLarge(size)) {
    const { patch, divisor } = topology;
    const axis = largestShare(patch, median);
    // What the smaller patch must be divisible by, not what this one must: stepping by 64 from 256 would skip 224.
    const step = planTopology(spacing, lessAt(patch, axis, divisor[axis])).divisor[axis];
    const reduced = lessAt(patch, axis, step);
    if (reduced[axis] < 1) throw noPatchFits(gpuMemoryGb);
    topology = planTopology(spacing, reduced);
    // Rounded up to where it was: the original would go round in circles.
    if (topology.patch[axis] >= patch[axis]) throw noPatchFits(gpuMemoryGb);
    const sizeAfter = sizeOf(topology);
    reductions.push({ axis, from: patch[axis], to: topology.patch[axis], size, sizeAfter });
    size = sizeAfter;
  }

  const { patch } = topology;
  const batchByMemory = roundHalfEven((allowedSize / size) * referenceBatch);
  const batchByDataset = roundHalfEven((datasetVoxels * planner.coverage) / voxels(patch));
  const batch = Math.max(Math.min(batchByMemory, batchByDataset), SMALLEST_BATCH);
  const reasons = { fromSpacing, withinMedian, divisible, reductions, allowedSize, batchByMemory, batchByDataset };
  return { patch, batch, network: networkOf(planner, topology), size, reasons };
}

function firstPatch(spacing: readonly number[], edge: number): number[] {
  const density = spacing.map((length) => 1 / length);
  const scale = (edge ** density.length / voxels(density)) ** (1 / density.length);
  return density.map((length) => roundHalfEven(length * scale));
}

/** The axis along which the patch covers most of the median volume; the last one of several. */
function largestShare(patch: readonly number[], median: readonly number[]): number {
  const shares = patch.map((length, axis) => length / median[axis]);
  return shares.lastIndexOf(Math.max(...shares));
}

function lessAt(patch: readonly number[], axis: number, by: number): number[] {
  return patch.map((length, i) => (i === axis ? length - by : length));
}

function networkOf(planner: Planner, { strides, kernels }: Topology): Network {
  const most = MOST_FEATURES[strides[0].length as 2 | 3];
  return {
    kind: planner.network,
    features: strides.map((_, stage) => Math.min(most, FIRST_FEATURES * 2 ** stage)),
    strides,
    kernels,
    ...depthOf(planner.network, strides.length),
  };
}

function noPatchFits(gpuMemoryGb: number): OptionError {
  return new OptionError('gpuMemoryGb', `no patch fits into ${gpuMemoryGb} GB`, 'Give the memory of the GPU in GB, for example 8');
}
