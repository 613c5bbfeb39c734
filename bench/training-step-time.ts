import { patchOf, voxels } from '../src/common/geometry.ts';
import type { Network } from '../src/plans/network.ts';
import { autotune } from '../src/training/autotune.ts';
import type { Gpu } from '../src/training/gpu/device.ts';
import type { Precision } from '../src/training/gpu/precision.ts';
import { showTiling, type Tiling, tilingFor } from '../src/training/gpu/tile.ts';
import type { TuneReport } from '../src/training/training-options.ts';
import { TrainingStep } from '../src/training/training-step.ts';
import { profile, showProfile } from './kernel-profile.ts';

/** What is trained in a measurement. */
export interface StepShape {
  network: Network;
  patchSize: number[];
  batch: number;
}

/** Of one precision. */
export interface StepTime {
  ms: number;
  memory_bytes: number;
  /** Whether products run on matrix units. */
  matrix_units: boolean;
  profile?: Awaited<ReturnType<typeof profile>>;
  /** What came of the autotune, with the tiles of every product. */
  tuning?: TuneReport & { tiles: Record<string, string> };
}

export interface MeasureOptions {
  steps: number;
  profiled?: boolean;
  tiling?: Partial<Tiling>;
  tuneSeconds?: number | undefined;
}

export const CHANNELS = 1;
export const CLASSES = 3;
export const WARM_UP = 3;

/** Deep supervision as planned: every scale but the coarsest has weight. */
export function headsOf({ features }: Network): number {
  return Math.max(1, features.length - 2);
}

/**
 * Milliseconds a training step, from the upload of its batch on.
 * @param tiling changes to how products are cut
 * @param tuneSeconds how long to measure tiles that the user's cache does not know; without, all are the usual ones
 */
export async function measureStep(
  gpu: Gpu,
  { network, patchSize, batch }: StepShape,
  precision: Precision,
  { steps, profiled = false, tiling = {}, tuneSeconds }: MeasureOptions,
): Promise<StepTime> {
  const cut: Tiling = { ...tilingFor(gpu, precision), ...tiling };
  const options = {
    network,
    patchSize,
    batch,
    channels: CHANNELS,
    classes: CLASSES,
    heads: headsOf(network),
    precision,
    tiling: cut,
  };
  const tuning = tuneSeconds === undefined ? null : await autotune(gpu, options, { seconds: tuneSeconds });
  const step = await TrainingStep.create(gpu, { ...options, ...(tuning && { tuned: tuning.tilings }), batchDice: false, ignore: null });
  step.load(step.unet.parameters.initial(0), null);
  const image = new Float32Array(batch * CHANNELS * voxels(patchOf(patchSize))).map((_, i) => Math.sin(i));
  const targets = step.unet.logits.map((logits) => new Int16Array(batch * voxels(logits.shape)).map((_, i) => i % CLASSES));
  const run = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      step.upload(image, targets);
      step.train(0.01);
      if (i % 2 === 1) await gpu.done();
    }
    await step.results();
  };
  await run(WARM_UP);
  const started = performance.now();
  await run(steps);
  const time: StepTime = { ms: (performance.now() - started) / steps, memory_bytes: step.bytes, matrix_units: cut.loop === 'matrix' };
  if (tuning) time.tuning = { ...tuning.report, tiles: Object.fromEntries([...tuning.tilings].map(([of, way]) => [of, showTiling(way)])) };
  console.error(
    `${network.kind}, patch ${patchSize.join('x')}, batch ${batch}, ${precision}${tuning ? ', tuned' : ''}: ${time.ms.toFixed(1)} ms a step`,
  );
  if (profiled) {
    time.profile = await profile(step, WARM_UP);
    console.error(`${showProfile(time.profile.kinds)}\n\n${showProfile(time.profile.kernels.slice(0, 20))}`);
  }
  step.destroy();
  return time;
}
