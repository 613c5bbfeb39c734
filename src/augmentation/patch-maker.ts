import type { Axis } from '../common/geometry.ts';
import { type Box, type Triple, voxels } from '../common/geometry.ts';
import { enter, STAGE } from '../common/progress.ts';
import { bindKernels, type Kernels, type SharedMemory } from '../kernels/kernels.ts';
import { FOUND } from '../kernels/spatial.ts';
import { BoxReader } from '../reading/boxes.ts';
import type { OpenCase } from '../reading/open-files.ts';
import type { PadMode } from '../reading/pad.ts';
import { type PatchPlace, PatchReader } from '../reading/read-patch.ts';
import type { ResidentCase } from '../reading/resident-cases.ts';
import { ClassCounter } from './class-counter.ts';
import { contextOf, earlyMirror, isSpatial, mirroredAxes, type Operation, type Pipeline, spatialOf } from './pipeline.ts';
import { centred, shifted } from './reading.ts';
import type { ScratchPlan } from './scratch.ts';
import { unfold } from './steps.ts';
import { type Targets, TargetWriter } from './targets.ts';
import type { Sample } from './transform.ts';
import { TRANSFORMS } from './transforms/index.ts';
import type { CompleteSpatialStep } from './transforms/spatial/spatial.ts';
import { type Volume, Warper } from './warper.ts';

/** How patches are made. Plain data: every worker gets a copy. */
export interface PatchRecipe {
  pipeline: Pipeline;
  targets: Targets;
  scratch: ScratchPlan;
  padMode: PadMode;
  /** The labels of each class whose presence in patches is counted. */
  counted: readonly (readonly number[])[];
  /** The label of voxels that nobody annotated, which is no foreground; or null. */
  ignore: number | null;
}

/** What a plan says of one patch. */
export interface PatchPlan {
  /** What nnU-Net would read, in voxels of the volume. */
  crop: Box;
  operations: readonly Operation[];
}

/** Where a sample goes in the shared memory, in bytes from its start. */
export interface SamplePlace {
  /** float32 [C, z, y, x]. */
  data: number;
  /** [channels, z, y, x] of each target. */
  targets: readonly number[];
  scratch: number;
}

/**
 * Makes patches from their plans: reads what the drawn transform needs, rotated, scaled and mirrored on the way, and applies the
 * other steps in place. All voxels stay in the shared memory.
 */
export class PatchMaker {
  readonly #recipe: PatchRecipe;
  readonly #kernels: Kernels;
  readonly #buffer: SharedArrayBuffer;
  readonly #reader: PatchReader;
  readonly #warper: Warper | null;
  readonly #targets: TargetWriter;
  readonly #counter: ClassCounter | null;
  /** Of the last patch: a bit for each of the recipe's counted classes that its final labels hold. */
  seen = 0;
  /** Which step is spatial, and which mirrors while patches are read; -1 where there is none. */
  readonly #spatial: number;
  readonly #mirror: number;
  /** Of each step: whether foreground must be looked for again after it. */
  readonly #foreground: readonly boolean[];

  constructor(memory: SharedMemory, recipe: PatchRecipe) {
    const { pipeline, targets, scratch, padMode, counted } = recipe;
    this.#recipe = recipe;
    this.#kernels = bindKernels(memory);
    this.#buffer = memory.buffer;
    const boxes = new BoxReader(memory, scratch.slabBytes);
    this.#reader = new PatchReader(memory, boxes, pipeline.patch.channels, padMode);
    this.#targets = new TargetWriter(this.#kernels, memory.buffer, targets);
    this.#counter = counted.length > 0 ? new ClassCounter(counted) : null;
    this.#spatial = pipeline.steps.findIndex(isSpatial);
    this.#mirror = earlyMirror(pipeline.steps);
    this.#foreground = pipeline.steps.map((step) => unfold([step]).some((one) => TRANSFORMS[one.transform].makesForeground?.(one)));
    const step = pipeline.steps[this.#spatial] as CompleteSpatialStep | undefined;
    this.#warper = step ? new Warper(this.#kernels, memory.buffer, boxes, pipeline, step, scratch) : null;
  }

  /** Writes a sample and its targets. Returns whether there is foreground in it: a label above 0 that is not the ignore label. */
  make(source: OpenCase | ResidentCase, shape: Triple, { crop, operations }: PatchPlan, place: SamplePlace): boolean {
    const { pipeline, targets, scratch: parts, ignore } = this.#recipe;
    const { data, scratch } = place;
    const target = targets.regions ? scratch + parts.labels : place.targets[0];
    const mirrored = mirroredAxes(operations, this.#mirror);
    const previous = source.previous ? scratch + parts.previous : undefined;
    enter(STAGE.reading);
    const found = this.#read({ source, shape, crop }, operations, { data, target, previous, scratch }, mirrored);
    const labels = previous === undefined ? { target } : { target, previous };
    const sample = { ...pipeline.patch, data, ...labels, hasOutside: (found & FOUND.outside) !== 0, mirrored };
    this.#apply(operations, (step) => step > this.#spatial && step !== this.#mirror, sample, scratch + parts.free);
    enter(STAGE.targets);
    const written = new Int16Array(this.#buffer, target, voxels(pipeline.patch.shape));
    this.seen = this.#counter?.find(written) ?? 0;
    this.#targets.write(target, place.targets, { tables: scratch + parts.tables, coarse: scratch + parts.coarse });
    const remade = operations.some(({ step }) => this.#foreground[step]);
    const final = remade ? this.#kernels.replaceLabel(target, voxels(sample.shape), 0, 0) : found;
    // What is above 0 may be the ignore label alone.
    return (final & FOUND.foreground) !== 0 && (ignore === null || written.some((label) => label > 0 && label !== ignore));
  }

  #read(stored: Volume, operations: readonly Operation[], place: PatchPlace, mirrored: readonly Axis[]): number {
    const { pipeline, scratch: parts } = this.#recipe;
    const spatial = spatialOf(operations);
    const whole = pipeline.wholeCrop && (spatial !== null || this.#spatial > 0);
    const volume = whole ? this.#readCrop(stored, operations, place.scratch) : stored;
    if (spatial && this.#warper) return this.#warper.warp(volume, spatial, place, mirrored);
    enter(STAGE.reading);
    const box = shifted(centred(pipeline.crop, pipeline.patch.shape), volume.crop.lower);
    return this.#reader.read(volume.source, volume.shape, box, { ...place, scratch: place.scratch + parts.slab }, mirrored);
  }

  /** Reads a whole crop into the scratch and applies the steps that come before the spatial one. */
  #readCrop({ source, shape, crop }: Volume, operations: readonly Operation[], scratch: number): Volume {
    const { pipeline, scratch: parts } = this.#recipe;
    const context = contextOf(pipeline, 0);
    const size = pipeline.crop;
    const data = scratch + parts.free;
    const target = data + 4 * context.channels * voxels(size);
    const previous = source.previous ? target + 2 * voxels(size) : undefined;
    const found = this.#reader.read(source, shape, crop, { data, target, previous, scratch: scratch + parts.slab });
    const labels = previous === undefined ? { target } : { target, previous };
    const sample = { ...context, data, ...labels, hasOutside: (found & FOUND.outside) !== 0, mirrored: [] };
    this.#apply(operations, (step) => step < this.#spatial, sample, scratch + parts.beside);
    const arrays = { data: { pointer: data, bytesPerVoxel: 4 }, segmentation: { pointer: target, bytesPerVoxel: 2 } };
    const before = previous === undefined ? {} : { previous: { pointer: previous, bytesPerVoxel: 2 } };
    return { source: { ...arrays, ...before }, shape: size, crop: { lower: [0, 0, 0], upper: size } };
  }

  #apply(operations: readonly Operation[], wanted: (step: number) => boolean, sample: Sample, scratch: number): void {
    const { pipeline } = this.#recipe;
    const workspace = { kernels: this.#kernels, buffer: this.#buffer, scratch };
    for (const { step, transform, parameters } of operations) {
      if (!wanted(step)) continue;
      enter(STAGE.step + step);
      sample.channels = contextOf(pipeline, step).channels;
      TRANSFORMS[transform].apply(sample, parameters, pipeline.steps[step], workspace);
    }
  }
}
