import type { Axis } from '../common/geometry.ts';
import { type Box, boxShape, intersect, type Triple, triple, voxels } from '../common/geometry.ts';
import { enter, resume, STAGE } from '../common/progress.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { FOUND, warpTile } from '../kernels/spatial.ts';
import type { BoxReader, Located, ResidentArray, Source, Wanted } from '../reading/boxes.ts';
import type { OpenCase } from '../reading/open-files.ts';
import type { PatchPlace } from '../reading/read-patch.ts';
import type { ResidentCase } from '../reading/resident-cases.ts';
import { affineMatrix } from './affine.ts';
import { elasticOffsets } from './elastic.ts';
import type { Pipeline } from './pipeline.ts';
import { type Mapping, mapping, shifted, touched } from './reading.ts';
import type { ScratchPlan } from './scratch.ts';
import { type CompleteSpatialStep, type SpatialParameters, spatialAxes } from './transforms/spatial/spatial.ts';
import { warpImage } from './warp/image.ts';
import { warpLabels } from './warp/labels.ts';
import type { Placement } from './warp/placement.ts';

/** A case, or a crop of one that was read as a whole, and where the crop lies in it. */
export interface Volume {
  source: OpenCase | ResidentCase;
  shape: Triple;
  crop: Box;
}

/**
 * Carries out the spatial step: by kernels, straight from where the volume lies, wherever they have what is asked for; else in plain
 * TypeScript from a crop that was read as a whole.
 */
export class Warper {
  readonly #kernels: Kernels;
  readonly #buffer: SharedArrayBuffer;
  readonly #boxes: BoxReader;
  readonly #pipeline: Pipeline;
  readonly #step: CompleteSpatialStep;
  readonly #parts: ScratchPlan;

  constructor(
    kernels: Kernels,
    buffer: SharedArrayBuffer,
    boxes: BoxReader,
    pipeline: Pipeline,
    step: CompleteSpatialStep,
    parts: ScratchPlan,
  ) {
    this.#kernels = kernels;
    this.#buffer = buffer;
    this.#boxes = boxes;
    this.#pipeline = pipeline;
    this.#step = step;
    this.#parts = parts;
  }

  /** Writes image and labels of a patch; `place.scratch` is the whole scratch. Returns what is among the labels, bits of FOUND. */
  warp(volume: Volume, parameters: SpatialParameters, place: PatchPlace, mirrored: readonly Axis[]): number {
    const { patch, crop } = this.#pipeline;
    const { image, padding, labelPadding, nnunetCompat } = this.#step;
    const axes = spatialAxes(this.#step, patch.axes);
    enter(STAGE.warpingImage);
    const map = mapping(affineMatrix(parameters.angles, parameters.scales, axes), crop, patch.shape, mirrored);
    const exists = this.#describe(volume, map, place.scratch);
    const offsets = parameters.elastic && elasticOffsets(parameters.elastic, patch.shape);
    const placement: Placement = { source: crop, patch: patch.shape, axes, matrix: map.matrix, offsets, nnunetCompat };

    const count = voxels(patch.shape);
    let target = place.data;
    if (offsets || image !== 'linear' || padding !== 'zeros')
      for (let channel = 0; channel < patch.channels; channel++, target += 4 * count) this.#sampleImage(volume, channel, placement, target);
    else
      for (const source of this.#locate(volume, volume.source.data, patch.channels, exists, place.scratch)) {
        this.#kernels.warpImage(place.scratch + this.#parts.warp, source, target, place.scratch + this.#parts.tile);
        target += 4 * count;
      }
    const sampled = offsets !== undefined || labelPadding !== 'constant' || nnunetCompat;
    enter(STAGE.warpingLabels);
    const write = (source: Source, target: number): number =>
      sampled
        ? this.#sampleLabels(source, volume.crop, placement, target)
        : this.#warpLabels(volume, source, exists, target, place.scratch);
    const found = write(volume.source.segmentation, place.target);
    if (!volume.source.previous || place.previous === undefined) return found;
    // A map of its own, with its own set of labels; what is foreground is decided by the target alone.
    return found | (write(volume.source.previous, place.previous) & FOUND.outside);
  }

  #warpLabels(volume: Volume, labels: Source, exists: Box | null, target: number, scratch: number): number {
    const [source] = this.#locate(volume, labels, 1, exists, scratch);
    const [warp, tile] = [scratch + this.#parts.warp, scratch + this.#parts.tile];
    return this.#kernels.warpLabels(warp, source, source.bytesPerVoxel, target, tile, this.#step.labels === 'nearest');
  }

  /** Writes the warp down. Returns the voxels that it reads, a box inside the volume, or null where it reaches none. */
  #describe({ shape, crop }: Volume, { matrix, offset }: Mapping, scratch: number): Box | null {
    const { patch } = this.#pipeline;
    const reached = touched({ matrix, offset }, patch.shape);
    const inCrop = intersect(reached, boxShape(crop));
    const exists = inCrop && intersect(shifted(inCrop, crop.lower), shape);
    const { lower: first, upper: end } = exists
      ? shifted(
          exists,
          triple((axis) => -crop.lower[axis]),
        )
      : { lower: ORIGIN, upper: ORIGIN };
    const tile = warpTile(matrix, patch.shape);
    this.#kernels.describeWarp(scratch + this.#parts.warp, { matrix, offset, size: patch.shape, tile, first, end });
    return exists;
  }

  /** The voxels in memory, strided from voxel [0, 0, 0] of the crop, one channel after the other. */
  *#locate({ shape, crop }: Volume, source: Source, channels: number, exists: Box | null, scratch: number): Generator<Located> {
    if (exists === null) {
      for (let channel = 0; channel < channels; channel++) yield { pointer: 0, row: 0, plane: 0, bytesPerVoxel: source.bytesPerVoxel };
      return;
    }
    const { free, slab, channelsAtOnce } = this.#parts;
    const wanted: Wanted = { channels: [0, channels], shape, box: exists };
    const [z, y, x] = triple((axis) => exists.lower[axis] - crop.lower[axis]);
    // The box is read whenever a channel is asked for that is not there yet.
    const warping = enter(STAGE.reading);
    for (const at of this.#boxes.locate(source, wanted, scratch + free, channelsAtOnce, scratch + slab)) {
      resume(warping);
      yield { ...at, pointer: at.pointer - z * at.plane - y * at.row - x * at.bytesPerVoxel };
      enter(STAGE.reading);
    }
    resume(warping);
  }

  #sampleImage({ source, crop }: Volume, channel: number, placement: Placement, target: number): void {
    const count = voxels(boxShape(crop));
    const from = new Float32Array(this.#buffer, (source.data as ResidentArray).pointer + 4 * channel * count, count);
    const to = new Float32Array(this.#buffer, target, voxels(placement.patch));
    warpImage(from, placement, { interpolation: this.#step.image, padding: this.#step.padding }, to);
  }

  #sampleLabels(source: Source, crop: Box, placement: Placement, target: number): number {
    const from = new Int16Array(this.#buffer, (source as ResidentArray).pointer, voxels(boxShape(crop)));
    const to = new Int16Array(this.#buffer, target, voxels(placement.patch));
    warpLabels(from, placement, { interpolation: this.#step.labels, padding: this.#step.labelPadding }, to);
    return (to.some((label) => label > 0) ? FOUND.foreground : 0) | (to.some((label) => label < 0) ? FOUND.outside : 0);
  }
}

const ORIGIN: Triple = [0, 0, 0];
