import { drawOperations, type Operation, type Pipeline, readingBox } from '../augmentation/pipeline.ts';
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
  /** Position in the endless stream of its configuration; batch = floor(sample / batch size). */
  sample: number;
  /** Position in the list of cases. */
  caseNumber: number;
  /** Whether the slot was meant to hold foreground. */
  forced: boolean;
  /** The class the box is centred on, as a position in the list of classes; null for a box anywhere. */
  classNumber: number | null;
  /** The voxel [z, y, x] the box is centred on. */
  voxel: Triple | null;
  /** What nnU-Net would read, in voxels of the stored volume: with augmentation larger than the patch. It may hang over. */
  crop: Box;
  /** What making the patch touches of it. */
  box: Box;
  /** What is done to the patch, with all parameters. */
  operations: Operation[];
}

/** The data set as sampling sees it. A `Store` is one. */
export interface Samplable {
  readonly cases: readonly { readonly shape: Triple; readonly locations: readonly number[] }[];
  readonly classes: readonly LabelClass[];
  location(caseNumber: number, classNumber: number, position: number): Triple;
}

export interface SamplingOptions {
  seed: number;
  /** Which cases are drawn from, such as those of a fold. Default: all. */
  cases?: readonly number[] | null;
  batchSize: number;
  patch: PatchSizes;
  oversampling: Oversampling;
  /** How patches are augmented; `patch.read` is its crop. Default: not at all. */
  pipeline?: Pipeline;
}

/** Plans one sample. `sample` is any integer from 0 to 2^53 - 1. */
export function planSlot(data: Samplable, options: SamplingOptions, sample: number): SlotPlan {
  const { seed, batchSize, patch, oversampling, pipeline } = options;
  const draws = (stage: Stage): Draws => new Draws(seed, sample, stage);
  const cases = options.cases ?? null;
  const drawn = draws(STAGE.case).below((cases ?? data.cases).length);
  const caseNumber = cases === null ? drawn : cases[drawn];
  const { shape, locations } = data.cases[caseNumber];
  const forced = isForced(oversampling, seed, sample, batchSize);
  const classNumber = chooseClass(forced, data.classes, locations, draws(STAGE.class));
  const range = startRange(shape, patch);
  const voxel = classNumber === null ? null : data.location(caseNumber, classNumber, draws(STAGE.voxel).below(locations[classNumber]));
  const crop = voxel ? boxAround(voxel, range, patch.read) : randomBox(range, patch.read, draws(STAGE.box));
  const operations = pipeline ? drawOperations(pipeline, seed, sample) : [];
  const box = pipeline ? readingBox(pipeline, crop, operations) : crop;
  return { sample, caseNumber, forced, classNumber, voxel, crop, box, operations };
}
