import type { LabelClass } from '../dataset/labels.ts';
import type { Box, Triple } from '../geometry.ts';
import { Draws, STAGE, type Stage } from '../random.ts';
import { chooseClass } from './class-choice.ts';
import { isForced, type Oversampling } from './oversampling.ts';
import { boxAround, type PatchSizes, randomBox, startRange } from './patch-box.ts';

/**
 * Everything that decides one sample: a pure function of seed, sample index, data set and options. Making it again, anywhere,
 * gives the same bytes; that is what redoing, resuming and replaying rest on. Plain data, a few hundred bytes.
 */
export interface SlotPlan {
  /** Position in the endless stream; batch = floor(sample / batch size). */
  sample: number;
  /** Position in the list of cases. */
  caseNumber: number;
  /** Whether the slot was meant to hold foreground. */
  forced: boolean;
  /** The class the box is centred on, as a position in the list of classes; null for a box anywhere. */
  classNumber: number | null;
  /** The voxel [z, y, x] the box is centred on. */
  voxel: Triple | null;
  /** What is read, in voxels of the stored volume. It may hang over. */
  box: Box;
}

/** The data set as sampling sees it. A `Store` is one. */
export interface Samplable {
  readonly cases: readonly { readonly shape: Triple; readonly locations: readonly number[] }[];
  readonly classes: readonly LabelClass[];
  location(caseNumber: number, classNumber: number, position: number): Triple;
}

export interface SamplingOptions {
  seed: number;
  batchSize: number;
  patch: PatchSizes;
  oversampling: Oversampling;
}

/** Plans one sample. `sample` is any integer from 0 to 2^53 - 1. */
export function planSlot(data: Samplable, { seed, batchSize, patch, oversampling }: SamplingOptions, sample: number): SlotPlan {
  const draws = (stage: Stage): Draws => new Draws(seed, sample, stage);
  const caseNumber = draws(STAGE.case).below(data.cases.length);
  const { shape, locations } = data.cases[caseNumber];
  const forced = isForced(oversampling, seed, sample, batchSize);
  const classNumber = chooseClass(forced, data.classes, locations, draws(STAGE.class));
  const range = startRange(shape, patch);
  if (classNumber === null) {
    return { sample, caseNumber, forced, classNumber, voxel: null, box: randomBox(range, patch.read, draws(STAGE.box)) };
  }
  const voxel = data.location(caseNumber, classNumber, draws(STAGE.voxel).below(locations[classNumber]));
  return { sample, caseNumber, forced, classNumber, voxel, box: boxAround(voxel, range, patch.read) };
}
