import { PatchMaker, type PatchRecipe } from '../augmentation/patch-maker.ts';
import { cascadeOf } from '../augmentation/pipeline.ts';
import { centred, shifted } from '../augmentation/reading.ts';
import { recipeOf } from '../augmentation/recipe.ts';
import { OptionError } from '../common/errors.ts';
import { type Box, boxShape, type Triple, voxels } from '../common/geometry.ts';
import { type Checked, checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { flag, text } from '../common/schemas.ts';
import { KERNEL_BYTES } from '../kernels/kernels.ts';
import { BoxReader } from '../reading/boxes.ts';
import { type OpenCase, OpenFiles } from '../reading/open-files.ts';
import { PatchReader } from '../reading/read-patch.ts';
import { planSlot, type SlotPlan } from '../sampling/slot-plan.ts';
import { allocate } from '../shared-memory/allocate.ts';
import { computeLayout, reportMemory, WASM_PAGE } from '../shared-memory/layout.ts';
import { letGoOf, takeMemory } from '../shared-memory/reuse.ts';
import { Ring } from '../shared-memory/ring.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import { arraysOf, entryOf } from './memory-plan.ts';
import type { LoaderOptions } from './options/options.ts';
import { prepareOptions } from './options/prepare.ts';
import type { ResumeOptions } from './options/state.ts';
import { type ResolvedConfiguration, type ResolvedStreams, samplingOf } from './options/streams.ts';
import { noValidation } from './stream.ts';

/** Which of a loader's streams a sample is of. Each configuration of a mixed one counts its own. */
export interface ReplayedStream extends Given<typeof REPLAYED_STREAM> {}

export const REPLAYED_STREAM = {
  /** What batches of the configuration are tagged with; needed where several are mixed. */
  config: {
    schema: text('the name of a configuration'),
    help: 'what batches of the configuration are tagged with; needed where several are mixed',
  },
  /** Of the validation stream. Default: of training. */
  validation: { schema: flag(), default: false, help: 'of the validation stream' },
} as const satisfies OptionTable;

/** One sample of a stream, made again. */
export interface Replayed {
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

/**
 * Makes any sample of a stream again, bit for bit, without the samples before it and without workers.
 * @param sample its position in the stream of its configuration, of all ranks, as its plan has it: batch × batch size + slot
 * @throws what a loader with these options throws
 * @example
 * ```ts
 * const options = { store: await openStore('store'), augmentation: 'default', seed: 7 } as const;
 * const { plan, before, after } = await replay(options, 1234);
 * console.log(plan.caseNumber, plan.operations, before.box, after.data.length);
 * ```
 */
export async function replay(given: LoaderOptions | ResumeOptions, sample: number, which: ReplayedStream = {}): Promise<Replayed> {
  const asked = checkOptions(REPLAYED_STREAM, which);
  const { streams } = await prepareOptions(given);
  const options = choose(streams, asked);
  if (!Number.isSafeInteger(sample) || sample < 0)
    throw new OptionError(
      'sample',
      `${JSON.stringify(sample)} is no position in a stream`,
      'Give a whole number from 0: batch × batch size + slot',
    );
  const recipe = recipeOf(options);
  const { store } = options;
  const plan = planSlot(store, samplingOf(options, recipe.pipeline), sample);
  const files = new OpenFiles(arraysOf(options), 1);
  try {
    const source = files.get(plan.caseNumber);
    const { shape } = store.cases[plan.caseNumber];
    return { plan, before: readCrop(source, shape, recipe, plan), after: makePatch(source, shape, options, recipe, plan) };
  } finally {
    files.close(plan.caseNumber);
  }
}

/** @throws OptionError where there is no such configuration, or more than one */
function choose(
  { training, validation }: ResolvedStreams,
  { config, validation: validating }: Checked<typeof REPLAYED_STREAM>,
): ResolvedConfiguration {
  const stream = validating ? validation : training;
  if (stream === null) throw noValidation();
  const { configurations } = stream;
  const found = config === undefined ? configurations : configurations.filter((entry) => entry.config === config);
  if (found.length === 1) return found[0];
  const names = configurations.map((entry) => entry.config).join(', ');
  throw new OptionError(
    'config',
    config === undefined
      ? `the stream mixes ${names}, whose samples are counted apart`
      : `the stream has ${found.length === 0 ? 'no configuration' : `${found.length} configurations`} ${config}`,
    found.length > 1 && config !== undefined
      ? 'Replay with the options of one of them, and no `configs`'
      : `Say of which the sample is: ${names}`,
  );
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
