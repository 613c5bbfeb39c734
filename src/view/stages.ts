import { affineMatrix, IDENTITY } from '../augmentation/affine.ts';
import { isSpatial, spatialOf } from '../augmentation/pipeline.ts';
import { centred, mapping } from '../augmentation/reading.ts';
import { type CompleteSpatialStep, spatialAxes } from '../augmentation/transforms/spatial/spatial.ts';
import { boxShape, type Triple, triple, voxels } from '../common/geometry.ts';
import type { Checksum } from '../common/hash.ts';
import type { Replayer } from '../loader/replayer.ts';
import { planeAxes } from '../pictures/planes.ts';
import { greyWindow, slicePosition } from '../pictures/slice-view.ts';
import { describeOperation } from '../pictures/words.ts';
import type { LabelClass } from '../raw/labels.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import { cutPlanes, labelsToOutline } from './cards.ts';
import type { SampleFacts, StageFacts, StepWords } from './facts.ts';
import type { Packet } from './packet.ts';

/** Bars of a histogram. */
const BARS = 64;

/** A patch after some of its steps. */
export interface Stage extends StepWords {
  data: Float32Array;
  labels: TargetArray;
  hash: string;
}

/** The patch as it is stored, and after each step of its plan. @param ends leave out all but the first and the last */
export function makeStages(replayer: Replayer, plan: SlotPlan, checksum: Checksum, ends: boolean, classes: readonly LabelClass[]): Stage[] {
  const { steps } = replayer.recipe.pipeline;
  const { operations } = plan;
  const counts = ends ? [...new Set([0, operations.length])] : [...Array(operations.length + 1).keys()];
  return counts.map((count) => {
    const { data, targets, targetChannels } = replayer.after(plan, operations.slice(0, count));
    const words = count === 0 ? { title: 'as stored', text: '' } : describeOperation(steps, operations[count - 1]);
    return { ...words, data, labels: labelsToOutline(targets[0], targetChannels, classes), hash: checksum(data, targets[0]) };
  });
}

type ShownStages = Pick<SampleFacts, 'at' | 'window' | 'range' | 'stages'>;

/** Slices and histograms of all stages, in the same places and scales. @param at null: where the last stage has most foreground */
export function showStages(
  stages: readonly Stage[],
  shape: Triple,
  channel: number,
  at: Triple | null,
): ShownStages & { arrays: Packet['arrays'] } {
  const count = voxels(shape);
  const images = stages.map(({ data }) => data.subarray(channel * count, (channel + 1) * count));
  const last = { image: images[images.length - 1], target: stages[stages.length - 1].labels, shape };
  const position = at === null ? triple((axis) => slicePosition(last, axis)) : triple((axis) => Math.min(at[axis], shape[axis] - 1));
  const arrays: Packet['arrays'] = {};
  const range = rangeOf([images[0], last.image]);
  const shown = stages.map(({ title, text, labels, hash }, i): StageFacts => {
    const cut = cutPlanes(
      `stage${i}`,
      images[i],
      labels,
      shape,
      planeAxes(shape).map((axis) => [axis, position[axis]]),
    );
    Object.assign(arrays, cut.arrays);
    return { title, text, hash, planes: cut.planes, histogram: histogram(images[i], range) };
  });
  return { at: position, window: greyWindow(images[0]), range, stages: shown, arrays };
}

function rangeOf(images: readonly Float32Array[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const image of images)
    for (const value of image) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

function histogram(image: Float32Array, [low, high]: readonly [number, number]): number[] {
  const bars: number[] = Array(BARS).fill(0);
  for (const value of image) {
    const bar = Math.floor((BARS * (value - low)) / (high - low));
    bars[Math.min(Math.max(bar, 0), BARS - 1)]++;
  }
  return bars;
}

/** Where the corners of a patch lie in its case: rotated and scaled as drawn, not deformed. Voxel i spans i - 1/2 to i + 1/2. */
export function cornersOf({ recipe: { pipeline } }: Replayer, { crop, operations }: SlotPlan): Triple[] {
  const { patch } = pipeline;
  const spatial = spatialOf(operations);
  const step = pipeline.steps.find(isSpatial) as CompleteSpatialStep | undefined;
  const size = boxShape(crop);
  const { matrix, offset } =
    spatial && step
      ? mapping(affineMatrix(spatial.angles, spatial.scales, spatialAxes(step, patch.axes)), size, patch.shape, [])
      : { matrix: IDENTITY, offset: centred(size, patch.shape).lower };
  return Array.from({ length: 8 }, (_, corner) => {
    const end = triple((axis) => (corner & (1 << axis) ? patch.shape[axis] - 0.5 : -0.5));
    return triple((axis) => crop.lower[axis] + offset[axis] + end.reduce((sum, value, i) => sum + matrix[3 * axis + i] * value, 0));
  });
}
