import { affineMatrix, IDENTITY, type Matrix } from '../augmentation/affine.ts';
import { isSpatial, spatialOf } from '../augmentation/pipeline.ts';
import { mapping } from '../augmentation/reading.ts';
import { type CompleteSpatialStep, spatialAxes } from '../augmentation/transforms/spatial/spatial.ts';
import { type Box, boxShape, type Triple, triple } from '../common/geometry.ts';
import { type ForcedPart, Forcing } from './forcing.ts';
import { planSlot, type Samplable, type Sampling, type SlotPlan } from './slot-plan.ts';

/** A data set whose stored class locations can be looked through. A `Store` is one. */
export interface Locatable extends Samplable {
  /** All stored locations of a class of a case: flat indices into the volume [z, y, x]. */
  flatLocations(caseNumber: number, classNumber: number): Uint32Array;
}

/** Patches that are planned, together for all ways of forcing: with n each, the standard error of a part is at most 1 / (2 sqrt(n)). */
const PLANS = 32_768;
const LEAST_PLANS = 1024;
/** Of the plans that are measured with: any number, the same whatever the seed of the stream. */
const SEED = 0x5eed;

/** The parts of patches that hold each of some classes. */
export interface Visibility {
  /** Of patches that are not forced, one entry a class. */
  random: number[];
  /** Entry [d][c]: of patches that are forced onto class d, those that hold class c. */
  forced: number[][];
}

/**
 * How often patches of the stream hold classes, measured on plans: for as many samples as `PLANS` says, whether any stored location of
 * a class ends up in the patch, rotated and scaled as drawn. Class locations are all that is read. A patch that just touches a large
 * class may count as one without it: of that, one voxel in a hundred is stored.
 */
export function measureVisibility(data: Locatable, options: Sampling, parts: readonly ForcedPart[]): Visibility {
  const { pipeline } = options;
  const spatialOnly = pipeline && { ...pipeline, steps: pipeline.steps.filter(isSpatial) };
  const count = Math.max(LEAST_PLANS, Math.floor(PLANS / (parts.length + 1)));
  const classes = parts.map(({ classNumber }) => classNumber);
  const measure = (forced: readonly ForcedPart[]): number[] => {
    const sampling = { ...options, seed: SEED, forcing: new Forcing(SEED, forced), ...(spatialOnly ? { pipeline: spatialOnly } : {}) };
    const plans = Array.from({ length: count }, (_, sample) => planSlot(data, sampling, sample));
    // Case by case: their locations may not all be in memory at once.
    plans.sort((a, b) => a.caseNumber - b.caseNumber);
    const seen = classes.map(() => 0);
    for (const plan of plans) {
      const view = viewOf(plan, sampling);
      for (const [i, classNumber] of classes.entries()) if (holds(data, plan.caseNumber, classNumber, view)) seen[i]++;
    }
    return seen.map((patches) => patches / count);
  };
  return { random: measure([]), forced: parts.map((entry) => measure([{ ...entry, part: 1 }])) };
}

/** Of each class, whether a patch holds any of its stored locations, rotated and scaled as planned. */
export function patchHolds(data: Locatable, sampling: Sampling, plan: SlotPlan, classes: readonly number[]): boolean[] {
  const view = viewOf(plan, sampling);
  return classes.map((classNumber) => holds(data, plan.caseNumber, classNumber, view));
}

/** Where a patch looks: a voxel at v of the volume is at matrix · (v - origin) of the patch, if it is in the crop at all. */
interface View {
  matrix: Matrix;
  origin: Triple;
  size: Triple;
  crop: Box;
  /** No voxel outside of this box is in the patch. */
  reach: Box;
}

function viewOf({ crop, box, operations }: SlotPlan, { patch, pipeline }: Sampling): View {
  const spatial = spatialOf(operations);
  if (!spatial || !pipeline) {
    const lower = triple((axis) => crop.lower[axis] + Math.floor(patch.read[axis] / 2) - Math.floor(patch.final[axis] / 2));
    const final = { lower, upper: triple((axis) => lower[axis] + patch.final[axis]) };
    return { matrix: IDENTITY, origin: lower, size: patch.final, crop, reach: final };
  }
  const step = pipeline.steps.find(isSpatial) as CompleteSpatialStep;
  const matrix = affineMatrix(spatial.angles, spatial.scales, spatialAxes(step, pipeline.patch.axes));
  const { offset } = mapping(matrix, boxShape(crop), patch.final, []);
  return { matrix: inverse(matrix), origin: triple((axis) => crop.lower[axis] + offset[axis]), size: patch.final, crop, reach: box };
}

/** Of a rotation times a diagonal: columns are at right angles, so each row of the inverse is one of them over its square length. */
function inverse(m: Matrix): Matrix {
  return [0, 1, 2].flatMap((i) => {
    const square = m[i] ** 2 + m[3 + i] ** 2 + m[6 + i] ** 2;
    return [m[i] / square, m[3 + i] / square, m[6 + i] / square];
  }) as unknown as Matrix;
}

function holds(data: Locatable, caseNumber: number, classNumber: number, { matrix, origin, size, crop, reach }: View): boolean {
  const [, height, width] = data.cases[caseNumber].shape;
  const [a, b, c, d, e, f, g, h, i] = matrix;
  const lower = triple((axis) => Math.max(crop.lower[axis], reach.lower[axis]));
  const upper = triple((axis) => Math.min(crop.upper[axis], reach.upper[axis]));
  const plane = height * width;
  const first = lower[0] * plane;
  const end = upper[0] * plane;
  const locations = data.flatLocations(caseNumber, classNumber);
  for (let k = 0; k < locations.length; k++) {
    const flat = locations[k];
    if (flat < first || flat >= end) continue;
    const line = Math.floor(flat / width);
    const x = flat - line * width;
    if (x < lower[2] || x >= upper[2]) continue;
    const z = Math.floor(line / height);
    const y = line - z * height;
    if (y < lower[1] || y >= upper[1]) continue;
    const dz = z - origin[0];
    const dy = y - origin[1];
    const dx = x - origin[2];
    const inZ = a * dz + b * dy + c * dx;
    if (inZ < -0.5 || inZ >= size[0] - 0.5) continue;
    const inY = d * dz + e * dy + f * dx;
    if (inY < -0.5 || inY >= size[1] - 0.5) continue;
    const inX = g * dz + h * dy + i * dx;
    if (inX >= -0.5 && inX < size[2] - 0.5) return true;
  }
  return false;
}
