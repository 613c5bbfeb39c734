import { OptionError } from '../common/errors.ts';
import { type Triple, triple, voxels } from '../common/geometry.ts';
import { roundHalfEven } from '../common/round.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { type TargetType, targetArray } from '../shared-memory/target-array.ts';
import { nearestExact } from './nearest-exact.ts';
import { writeRegions } from './transforms/labels/regions.ts';

/** What a batch holds as targets. Plain data. */
export interface Targets {
  /** [z, y, x] of each: the patch itself, then the coarser ones of deep supervision. */
  shapes: Triple[];
  /** The labels of each region whose masks are the target's channels; null for labels as they are. */
  regions: number[][] | null;
  /** Of their voxels; 'bool' for masks of regions only. */
  type: TargetType;
}

/**
 * The sizes of deep supervision's targets (docs/nnunet.md#deep-supervision), halves to even.
 * @param scales of each target along each axis of the patch, the first all 1.
 * @throws OptionError
 */
export function targetShapes(patchSize: readonly number[], scales: readonly (readonly number[])[]): Triple[] {
  const usable = scales.every((scale) => Array.isArray(scale) && scale.length === patchSize.length && scale.every((s) => s > 0 && s <= 1));
  if (scales.length === 0 || !usable || scales[0].some((scale) => scale !== 1))
    throw new OptionError(
      'deepSupervision',
      `${JSON.stringify(scales)} are no scales of targets`,
      `Give one list of ${patchSize.length} numbers above 0 and up to 1 a target, the first all 1, as [[1, 1, 1], [0.5, 0.5, 0.5]]`,
    );
  return scales.map((scale) => {
    const sizes = patchSize.map((size, axis) => Math.max(1, roundHalfEven(size * scale[axis])));
    return (sizes.length === 2 ? [1, ...sizes] : sizes) as Triple;
  });
}

/**
 * Deep supervision's scales of a network: one target a stage but the last, at the stage's resolution.
 * @throws OptionError for a network of one stage, which nnU-Net cannot train so either
 */
export function scalesOf(strides: readonly (readonly number[])[]): number[][] {
  if (strides.length < 2)
    throw new OptionError('deepSupervision', 'the network planned has one stage, and none coarser to supervise', 'Leave it out');
  const product = strides[0].map(() => 1);
  return strides.slice(0, -1).map((stride) => {
    for (const [axis, factor] of stride.entries()) product[axis] *= factor;
    return product.map((factor) => 1 / factor);
  });
}

/** Channels of each target. */
export const targetChannels = ({ regions }: Targets): number => regions?.length ?? 1;

/** Writes a sample's targets from its labels, which are the first of them where there are no regions. */
export class TargetWriter {
  readonly #kernels: Kernels;
  readonly #buffer: SharedArrayBuffer;
  readonly #targets: Targets;
  readonly #indices: Int32Array[][];

  constructor(kernels: Kernels, buffer: SharedArrayBuffer, targets: Targets) {
    this.#kernels = kernels;
    this.#buffer = buffer;
    this.#targets = targets;
    const [patch] = targets.shapes;
    this.#indices = targets.shapes.map((shape) =>
      shape.map((size, axis) => Int32Array.from({ length: size }, (_, i) => nearestExact(i, size, patch[axis]))),
    );
  }

  /**
   * Coarser masks are those of the labels at their size: a voxel's regions are its label's.
   * @param labels int16 [z, y, x]
   * @param places of each target: [channels, z, y, x]
   * @param scratch an int32 for each voxel along each axis; where targets are regions, int16 [z, y, x] of the largest coarser one
   */
  write(labels: number, places: readonly number[], scratch: { tables: number; coarse: number }): void {
    const { shapes, regions, type } = this.#targets;
    for (const [target, shape] of shapes.entries()) {
      let at = labels;
      if (target > 0) {
        at = regions ? scratch.coarse : places[target];
        this.#pick(labels, target, at, scratch.tables);
      }
      if (!regions) continue;
      const count = voxels(shape);
      const masks = targetArray(type, this.#buffer, places[target], regions.length * count);
      writeRegions(new Int16Array(this.#buffer, at, count), regions, masks);
    }
  }

  /** Labels at the size of a coarser target: each voxel's is that of the nearest. */
  #pick(labels: number, target: number, out: number, tables: number): void {
    const [patch] = this.#targets.shapes;
    let end = tables;
    const indices = triple((axis) => {
      const table = this.#indices[target][axis];
      const at = end;
      new Int32Array(this.#buffer, at, table.length).set(table);
      end += table.byteLength;
      return at;
    });
    const row = 2 * patch[2];
    this.#kernels.pickLabels({ pointer: labels, row, plane: row * patch[1] }, out, this.#targets.shapes[target], indices);
  }
}
