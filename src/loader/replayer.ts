import { PatchMaker, type PatchRecipe } from '../augmentation/patch-maker.ts';
import { cascadeOf } from '../augmentation/pipeline.ts';
import { centred, shifted } from '../augmentation/reading.ts';
import { recipeOf } from '../augmentation/recipe.ts';
import { type Box, boxShape, type Triple, voxels } from '../common/geometry.ts';
import { KERNEL_BYTES } from '../kernels/kernels.ts';
import { BoxReader } from '../reading/boxes.ts';
import { type OpenCase, OpenFiles } from '../reading/open-files.ts';
import { PatchReader } from '../reading/read-patch.ts';
import { drawCase, planBatch, planSlot, type Sampling, type SlotPlan } from '../sampling/slot-plan.ts';
import { allocate } from '../shared-memory/allocate.ts';
import { computeLayout, reportMemory, WASM_PAGE } from '../shared-memory/layout.ts';
import { letGoOf, takeMemory } from '../shared-memory/reuse.ts';
import { Ring } from '../shared-memory/ring.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import type { Sidecar } from '../store/sidecar.ts';
import { arraysOf, entryOf } from './memory-plan.ts';
import { type ResolvedConfiguration, samplingOf } from './options/streams.ts';

/** One sample of a stream, made again. */
export interface Replayed {
  /** What is known of its case besides the voxels: where it lies in space, for one. */
  sidecar: Sidecar;
  /** What decided it. */
  plan: SlotPlan;
  /** The crop that nnU-Net would read for it, before anything is done. */
  before: {
    box: Box;
    /** float32 [C, z, y, x]. */
    image: Float32Array;
    /** int16 [z, y, x], -1 outside. */
    labels: Int16Array;
    /** In a cascade, the previous stage's labels: the same. */
    previous: Int16Array | null;
  };
  /** The sample as it is in its batch. */
  after: {
    /** Where it would lie without the augmentation. */
    box: Box;
    /** float32 [C, z, y, x]. */
    data: Float32Array;
    /** [channels, z, y, x] of each target: int16, or bytes with `targetType: 'bool'`. */
    targets: TargetArray[];
    targetChannels: number;
  };
}

/** Makes any samples of one configuration of a stream again, in this thread: what `replay` does for one. */
export class Replayer {
  readonly recipe: PatchRecipe;
  readonly sampling: Sampling;
  readonly #options: ResolvedConfiguration;

  /** @throws OptionError for exposures that cannot be */
  constructor(options: ResolvedConfiguration) {
    this.#options = options;
    this.recipe = recipeOf(options);
    this.sampling = samplingOf(options, this.recipe.pipeline);
  }

  /** @param sample its position in the stream of its configuration, of all ranks */
  plan(sample: number): SlotPlan {
    return planSlot(this.#options.store, this.sampling, sample);
  }

  /** The case of a sample, of which nothing is read. */
  caseOf(sample: number): number {
    return drawCase(this.#options.store, this.sampling, sample).caseNumber;
  }

  /** @param batch counted among those of the configuration */
  planBatch(batch: number): SlotPlan[] {
    return planBatch(this.#options.store, this.sampling, batch);
  }

  /** The crop that nnU-Net would read for a sample. */
  before(plan: SlotPlan): Replayed['before'] {
    return this.#open(plan, (source, shape) => readCrop(source, shape, this.recipe, plan));
  }

  /**
   * The sample as it is in its batch; with fewer operations than its plan has, as it is before the others are done.
   * @param operations the first of the plan's
   */
  after(plan: SlotPlan, operations = plan.operations): Replayed['after'] {
    return this.#open(plan, (source, shape) => makePatch(source, shape, this.#options, this.recipe, { ...plan, operations }));
  }

  #open<T>({ caseNumber }: SlotPlan, use: (source: OpenCase, shape: Triple) => T): T {
    const files = new OpenFiles(arraysOf(this.#options), 1);
    try {
      return use(files.get(caseNumber), this.#options.store.cases[caseNumber].shape);
    } finally {
      files.close(caseNumber);
    }
  }
}

/** As a worker does, in a memory with room for one batch of one sample. */
function makePatch(
  source: OpenCase,
  shape: Triple,
  options: ResolvedConfiguration,
  recipe: PatchRecipe,
  plan: SlotPlan,
): Replayed['after'] {
  const { pipeline, targets } = recipe;
  const entry = { ...entryOf(options, recipe), batchSize: 1 };
  const layout = computeLayout({
    rings: [1],
    channels: pipeline.patch.channels,
    cascadeChannels: cascadeOf(pipeline.steps).labels.length,
    configurations: [entry],
    scratches: 1,
    scratchBytes: recipe.scratch.totalBytes,
    labelBytes: arraysOf(options).labelBytes,
    residentBytes: [],
  });
  const memory = allocate(layout, reportMemory(layout, 0, options.maxMemoryBytes));
  const ring = new Ring(memory.buffer, layout);
  const pointers = targets.shapes.map((_, target) => ring.targetPointer(0, 0, 0, target));
  const place = { data: ring.dataPointer(0, 0, 0), targets: pointers, scratch: ring.scratchPointer(0) };
  try {
    new PatchMaker(memory, recipe).make(source, shape, plan, place);
    return {
      box: shifted(centred(boxShape(plan.crop), options.patch), plan.crop.lower),
      data: ring.data(0, 0).slice(),
      targets: pointers.map((_, target) => ring.target(0, 0, target).slice()),
      targetChannels: entry.targetChannels,
    };
  } finally {
    letGoOf(memory);
  }
}

function readCrop(source: OpenCase, shape: Triple, { pipeline, scratch, padMode }: PatchRecipe, { crop }: SlotPlan): Replayed['before'] {
  const { channels } = pipeline.patch;
  const count = voxels(boxShape(crop));
  const target = KERNEL_BYTES + 4 * channels * count;
  const before = target + 2 * count;
  const slab = Math.ceil((before + 2 * count) / WASM_PAGE) * WASM_PAGE;
  const pages = Math.ceil((slab + scratch.slabBytes) / WASM_PAGE);
  const memory = takeMemory(pages, KERNEL_BYTES);
  const place = { data: KERNEL_BYTES, target, previous: source.previous ? before : undefined, scratch: slab };
  try {
    new PatchReader(memory, new BoxReader(memory, scratch.slabBytes), channels, padMode).read(source, shape, crop, place);
    return {
      box: crop,
      image: new Float32Array(memory.buffer, KERNEL_BYTES, channels * count).slice(),
      labels: new Int16Array(memory.buffer, target, count).slice(),
      previous: source.previous ? new Int16Array(memory.buffer, before, count).slice() : null,
    };
  } finally {
    letGoOf(memory);
  }
}
