/**
 * The trainer on this machine's GPU, one command:
 *
 *     npm run bench:trainer -- [--raw DIR] [--epochs N] [--iterations N] [--val-iterations N] [--peer PYTHON]
 *                              [--patch Z,Y,X] [--batch N] [--features F,…] [--steps N] [--out DIR]
 *                              [--profile] [--tile JSON]
 *
 * 1. One training step of a 3D network as nnU-Net plans it for one channel at 128x128x128, batch 2 (or `--patch`, `--batch`,
 *    `--features`): milliseconds, in float32 and in mixed precision. With `--peer`, the Python of a virtual environment
 *    with torch, nnunetv2 and dynamic_network_architectures, the same network makes the same step there: float32, TF32 and AMP.
 *    `--profile` adds milliseconds, TFLOP/s, GB/s and the share of the step of each kernel; `--tile` changes how products are cut.
 *    Each side warms up, then runs alone; the peer's process begins when ours gave the GPU back.
 * 2. With `--raw`, a data set in nnU-Net's raw layout (the hippocampus data set: 40x56x40, batch 9): preprocesses it, trains
 *    3d_fullres on fold 0 for `--epochs` of `--iterations` steps and predicts that fold's validation cases: milliseconds a step,
 *    patches a second, the part of the time that the GPU waited, and the mean Dice.
 *
 * Prints one JSON object, with the environment. What is measured goes to standard error at once: a run that is cut off keeps it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { patchOf, voxels } from '../src/common/geometry.ts';
import { environment } from '../src/measuring/environment.ts';
import type { Network } from '../src/plans/network.ts';
import { Gpu } from '../src/training/gpu/device.ts';
import type { Precision } from '../src/training/gpu/precision.ts';
import { type Tiling, tilingFor } from '../src/training/gpu/tile.ts';
import { TrainingStep } from '../src/training/training-step.ts';
import { profile, showProfile } from './kernel-profile.ts';

const { values } = parseArgs({
  options: {
    raw: { type: 'string' },
    epochs: { type: 'string', default: '10' },
    iterations: { type: 'string', default: '250' },
    'val-iterations': { type: 'string', default: '50' },
    peer: { type: 'string' },
    patch: { type: 'string', default: '128,128,128' },
    batch: { type: 'string', default: '2' },
    features: { type: 'string', default: '32,64,128,256,320,320' },
    steps: { type: 'string', default: '20' },
    out: { type: 'string' },
    profile: { type: 'boolean', default: false },
    tile: { type: 'string' },
  },
});
const list = (text: string): number[] => text.split(',').map(Number);
const out = values.out ?? mkdtempSync(join(tmpdir(), 'voxfeed-bench-'));
const steps = Number(values.steps);
const WARM_UP = 3;

const features = list(values.features);
const three = (size: number): number[] => [size, size, size];
const network: Network = {
  kind: 'plain',
  features,
  strides: features.map((_, stage) => three(stage === 0 ? 1 : 2)),
  kernels: features.map(() => three(3)),
  encoder: features.map(() => 2),
  decoder: features.slice(1).map(() => 2),
};
const shape = { network, patchSize: list(values.patch), batch: Number(values.batch), channels: 1, classes: 3 };
// Deep supervision as planned: every scale but the coarsest has weight.
const heads = Math.max(1, features.length - 2);

const report: Record<string, unknown> = { environment: environment() };
const ours = await measureSteps();
const peer = values.peer === undefined ? null : measurePeer(values.peer);
report.step = { patch: shape.patchSize, batch: shape.batch, voxfeed: ours, peer, ratio: peer && ratios(ours, peer) };
if (values.raw !== undefined) report.training = trainAndPredict(values.raw);
console.log(JSON.stringify(report, null, 2));

/** Of one precision. */
interface StepTime {
  ms: number;
  memory_bytes: number;
  /** Whether products run on matrix units. */
  matrix_units: boolean;
  profile?: Awaited<ReturnType<typeof profile>>;
}

interface StepTimes {
  gpu: string;
  float32: StepTime;
  mixed?: StepTime;
}

async function measureSteps(): Promise<StepTimes> {
  const gpu = await Gpu.open('mixed', { timed: values.profile });
  const found: StepTimes = { gpu: gpu.name, float32: await measureStep(gpu, 'float32') };
  if (gpu.hasHalf) found.mixed = await measureStep(gpu, 'mixed');
  gpu.close();
  return found;
}

async function measureStep(gpu: Gpu, precision: Precision): Promise<StepTime> {
  const tiling: Tiling = { ...tilingFor(gpu, precision), ...(values.tile && JSON.parse(values.tile)) };
  const step = await TrainingStep.create(gpu, { ...shape, heads, precision, tiling, batchDice: false, ignore: null });
  step.load(step.unet.parameters.initial(0), null);
  const image = new Float32Array(shape.batch * voxels(patchOf(shape.patchSize))).map((_, i) => Math.sin(i));
  const targets = step.unet.logits.map((logits) => new Int16Array(shape.batch * voxels(logits.shape)).map((_, i) => i % 3));
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
  const time: StepTime = { ms: (performance.now() - started) / steps, memory_bytes: step.bytes, matrix_units: tiling.loop === 'matrix' };
  console.error(`${precision}: ${time.ms} ms a step`);
  if (values.profile) {
    time.profile = await profile(step, WARM_UP);
    console.error(`${showProfile(time.profile.kinds)}\n\n${showProfile(time.profile.kernels.slice(0, 20))}`);
  }
  step.destroy();
  return time;
}

function measurePeer(python: string): Record<string, number | string> {
  const path = join(out, 'step.json');
  writeFileSync(path, JSON.stringify({ ...shape, heads, steps, warmUp: WARM_UP }));
  const script = join(import.meta.dirname, 'peers/pytorch_step.py');
  return JSON.parse(execFileSync(python, [script, path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
}

/** How many times as long as the peer we take, by precision of ours and the peer's. */
function ratios({ float32, mixed }: StepTimes, peer: Record<string, number | string>): Record<string, number> {
  const pairs = Object.entries({ float32, mixed }).flatMap(([precision, own]) =>
    ['float32', 'tf32', 'amp'].map((kind) => [`${precision}_to_${kind}`, (own?.ms ?? Number.NaN) / Number(peer[`${kind}_ms`])] as const),
  );
  return Object.fromEntries(pairs.filter(([, ratio]) => Number.isFinite(ratio)));
}

function trainAndPredict(raw: string) {
  const main = join(import.meta.dirname, '../src/cli/main.ts');
  const voxfeed = (...words: string[]): string =>
    execFileSync(process.execPath, [main, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 });
  const [store, model, labels] = ['store', 'model', 'labels'].map((name) => join(out, name));
  voxfeed('preprocess', raw, store);
  const sizes = ['--epochs', values.epochs, '--iterations', values.iterations, '--val-iterations', values['val-iterations']];
  const lines = voxfeed('train', store, '--config', '3d_fullres', '--fold', '0', ...sizes, '--out', model, '--json');
  const epochs = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { file_ending } = JSON.parse(readFileSync(join(raw, 'dataset.json'), 'utf8'));
  const [{ val }] = JSON.parse(readFileSync(join(store, 'splits_final.json'), 'utf8'));
  const images = val.map((id: string) => join(raw, 'imagesTr', `${id}_0000${file_ending}`));
  const { mean, picture } = JSON.parse(
    voxfeed('predict', ...images, '--model', model, '--out', labels, '--truth', join(raw, 'labelsTr'), '--json'),
  );
  // The first epoch compiles and fills caches.
  const timed = epochs.length > 1 ? epochs.slice(1) : epochs;
  const average = (name: string): number => timed.reduce((sum, epoch) => sum + epoch[name], 0) / timed.length;
  return {
    epochs: epochs.length,
    iterations: Number(values.iterations),
    ms_per_step: average('stepMs'),
    patches_per_second: average('patchesPerSecond'),
    wait_fraction: average('waitFraction'),
    losses: epochs.map(({ loss }) => loss),
    dice: mean,
    picture,
  };
}
