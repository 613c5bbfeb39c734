import { drawOperations, type Operation, type Pipeline, readingBox } from '../augmentation/pipeline.ts';
import { SampleError, VoxfeedError } from '../common/errors.ts';
import type { Box, Triple } from '../common/geometry.ts';
import { boxAround, type PatchSizes, randomBox, startRange } from '../common/patch-box.ts';
import { Draws, PURPOSE, type Purpose } from '../common/random.ts';
import type { LabelClass } from '../raw/labels.ts';
import { chooseClass } from './class-choice.ts';
import type { Forcing } from './forcing.ts';
import { isForced, type Oversampling } from './oversampling.ts';
import { type RankSlots, wholeBatch } from './ranks.ts';
import type { WeightedChoice } from './weighted-choice.ts';

/**
 * Everything that decides one sample: a pure function of seed, sample index, data set and options. Making it again, anywhere,
 * gives the same bytes; that is what redoing, resuming and replaying rest on. Plain data, a few hundred bytes.
 */
export interface SlotPlan {
  /** Position in the endless stream of its configuration, of all ranks; its batch is floor(sample / batch size). */
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
  readonly cases: readonly { readonly shape: Triple; readonly locations: ArrayLike<number> }[];
  readonly classes: readonly LabelClass[];
  location(caseNumber: number, classNumber: number, position: number): Triple;
}

/** What plans are made from, with the data set. */
export interface Sampling {
  seed: number;
  /** Samples a batch, of all ranks together. */
  batchSize: number;
  /** Which of them are made here. Default: all. */
  slots?: RankSlots;
  patch: PatchSizes;
  oversampling: Oversampling;
  /** How cases are drawn, those of a fold alone or by weight. Default: all alike. */
  cases?: WeightedChoice | null;
  /** How a forced slot chooses among the classes of its case, one weight a class. Default: all alike. */
  classWeights?: readonly number[] | null;
  /** What decides in the place of `oversampling` and `classWeights`, where classes have a target exposure. */
  forcing?: Forcing | null;
  /** How patches are augmented; `patch.read` is its crop. Default: not at all. */
  pipeline?: Pipeline;
}

/** The case of a sample, and the class that it is forced onto by an exposure. Nothing is read. */
export function drawCase(
  data: Pick<Samplable, 'cases'>,
  { seed, forcing, cases: all }: Sampling,
  sample: number,
): { caseNumber: number; onto: number | null } {
  const draws = new Draws(seed, sample, PURPOSE.case);
  const onto = forcing?.classOf(sample) ?? null;
  const cases = forcing && onto !== null ? forcing.casesWith(onto) : all;
  return { caseNumber: cases ? cases.draw(draws) : draws.below(data.cases.length), onto };
}

/** Plans one sample. `sample` is any integer from 0 to 2^53 - 1. */
export function planSlot(data: Samplable, options: Sampling, sample: number): SlotPlan {
  const { seed, batchSize, patch, oversampling, pipeline, forcing } = options;
  const draws = (purpose: Purpose): Draws => new Draws(seed, sample, purpose);
  const { caseNumber, onto } = drawCase(data, options, sample);
  const forced = forcing ? onto !== null : isForced(oversampling, seed, sample, batchSize);
  const { shape, locations } = data.cases[caseNumber];
  const classNumber = onto ?? chooseClass(forced, data.classes, locations, draws(PURPOSE.class), options.classWeights);
  const range = startRange(shape, patch);
  const voxel = classNumber === null ? null : data.location(caseNumber, classNumber, draws(PURPOSE.voxel).below(locations[classNumber]));
  const crop = voxel ? boxAround(voxel, range, patch.read) : randomBox(range, patch.read, draws(PURPOSE.box));
  const operations = pipeline ? drawn(pipeline, seed, sample) : [];
  const box = pipeline ? readingBox(pipeline, crop, operations) : crop;
  return { sample, caseNumber, forced, classNumber, voxel, crop, box, operations };
}

/** @throws SampleError where a transform of the user's own cannot be drawn */
function drawn(pipeline: Pipeline, seed: number, sample: number): Operation[] {
  try {
    return drawOperations(pipeline, seed, sample);
  } catch (error) {
    if (!(error instanceof VoxfeedError)) throw error;
    throw new SampleError(
      `sample ${sample}`,
      `its augmentation cannot be drawn: ${error.message.replace(/\.$/, '')}`,
      'Mend what it names and continue from the last state',
      { cause: error },
    );
  }
}

/** Plans a batch: this rank's part of it. */
export function planBatch(data: Samplable, options: Sampling, batch: number): SlotPlan[] {
  return samplesOf(options, batch).map((sample) => planSlot(data, options, sample));
}

/** The case of each of its samples, of which nothing is read. */
export function casesOfBatch(data: Pick<Samplable, 'cases'>, options: Sampling, batch: number): number[] {
  return samplesOf(options, batch).map((sample) => drawCase(data, options, sample).caseNumber);
}

function samplesOf({ batchSize, slots = wholeBatch(batchSize) }: Sampling, batch: number): number[] {
  return Array.from({ length: slots.count }, (_, slot) => batch * batchSize + slots.first + slot);
}
