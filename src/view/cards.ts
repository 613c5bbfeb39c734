import type { Step } from '../augmentation/transform.ts';
import { type Triple, voxels } from '../common/geometry.ts';
import type { Checksum } from '../common/hash.ts';
import { areRegions, outlinedLabels, regionNumbers } from '../pictures/outlined-labels.ts';
import { cutPlane, planeAxes } from '../pictures/planes.ts';
import { greyWindow, slicePosition } from '../pictures/slice-view.ts';
import { describeOperation } from '../pictures/words.ts';
import type { LabelClass } from '../raw/labels.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import type { Store } from '../store/store.ts';
import type { CardFacts, PlaneFacts } from './facts.ts';
import type { Packet } from './packet.ts';

/** One sample of a batch, wherever it was made. */
export interface MadeSample {
  plan: SlotPlan;
  /** [C, z, y, x]. */
  data: Float32Array;
  /** [channels, z, y, x]. */
  target: TargetArray;
  targetChannels: number;
}

/** What cards of one configuration have in common. */
export interface CardContext {
  store: Store;
  config: string;
  patch: Triple;
  /** Of the pipeline. */
  steps: readonly Step[];
  channel: number;
  checksum: Checksum;
}

/** Draws up one sample: facts, and slices where it has most foreground. Arrays are named SAMPLE.AXIS.image and SAMPLE.AXIS.labels. */
export function makeCard(
  { plan, data, target, targetChannels }: MadeSample,
  context: CardContext,
): { card: CardFacts; arrays: Packet['arrays'] } {
  const { store, config, patch, steps, channel, checksum } = context;
  const count = voxels(patch);
  const image = data.subarray(channel * count, (channel + 1) * count);
  const labels = labelsToOutline(target, targetChannels, store.classes);
  const at = planeAxes(patch).map((axis) => [axis, slicePosition({ image, target: labels, shape: patch }, axis)]);
  const { planes, arrays } = cutPlanes(String(plan.sample), image, labels, patch, at);
  const card = {
    sample: plan.sample,
    config,
    caseNumber: plan.caseNumber,
    id: store.cases[plan.caseNumber].id,
    forced: plan.forced,
    className: plan.classNumber === null ? null : store.classes[plan.classNumber].name,
    spacing: store.cases[plan.caseNumber].spacing,
    crop: plan.crop,
    words: plan.operations.map((operation) => describeOperation(steps, operation)),
    hash: checksum(data, target),
    holds: holdsOf(labels),
    planes,
    window: greyWindow(image),
  };
  return { card, arrays };
}

/** Labels by the numbers that the page's legend has, whether targets are labels or masks. */
export function labelsToOutline(target: TargetArray, channels: number, classes: readonly LabelClass[]): TargetArray {
  return channels === 1 && areRegions(classes) ? regionNumbers(target, classes) : outlinedLabels(target, channels);
}

/** Slices of a patch, as facts and arrays. */
export function cutPlanes(
  name: string,
  image: Float32Array,
  labels: TargetArray,
  shape: Triple,
  at: readonly (readonly number[])[],
): { planes: PlaneFacts[]; arrays: Packet['arrays'] } {
  const arrays: Packet['arrays'] = {};
  const planes = at.map(([axis, position]) => {
    const plane = `${name}.${axis}`;
    const grey = cutPlane(image, shape, axis, position);
    arrays[`${plane}.image`] = grey;
    arrays[`${plane}.labels`] = cutPlane(labels, shape, axis, position);
    return { name: plane, axis, position, rows: grey.shape[0], columns: grey.shape[1] };
  });
  return { planes, arrays };
}

function holdsOf(labels: TargetArray): CardFacts['holds'] {
  const counts = new Map<number, number>();
  for (const label of labels) if (label > 0) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a - b).map(([label, count]) => ({ label, share: count / labels.length }));
}
