/**
 * The trainer on this machine's GPU, one command:
 *
 *     npm run bench:trainer -- [--raw DIR] [--epochs N] [--iterations N] [--val-iterations N] [--peer PYTHON]
 *                              [--patch Z,Y,X] [--batch N] [--features F,…] [--steps N] [--out DIR]
 *                              [--profile] [--tile JSON] [--tune SECONDS]
 *
 * 1. One training step of a 3D network as nnU-Net plans it for one channel at 128x128x128, batch 2 (or `--patch`, `--batch`,
 *    `--features`): milliseconds, in float32 and in mixed precision. With `--peer`, the Python of a virtual environment
 *    with torch, nnunetv2 and dynamic_network_architectures, the same network makes the same step there: float32, TF32 and AMP.
 *    `--profile` adds milliseconds, TFLOP/s, GB/s and the share of the step of each kernel; `--tile` changes how products are cut,
 *    `--tune` measures for so long how each is cut best, unless the user's cache knows.
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
import { environment } from '../src/measuring/environment.ts';
import { Gpu } from '../src/training/gpu/device.ts';
import type { Precision } from '../src/training/gpu/precision.ts';
import { plain } from './gpu/shapes.ts';
import { CHANNELS, CLASSES, headsOf, measureStep, type StepTime, WARM_UP } from './training-step-time.ts';

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
    tune: { type: 'string' },
  },
});
const list = (text: string): number[] => text.split(',').map(Number);
const out = values.out ?? mkdtempSync(join(tmpdir(), 'voxfeed-bench-'));
const steps = Number(values.steps);

const network = plain(list(values.features));
const shape = { network, patchSize: list(values.patch), batch: Number(values.batch) };

const report: Record<string, unknown> = { environment: environment() };
const ours = await measureSteps();
const peer = values.peer === undefined ? null : measurePeer(values.peer);
report.step = { patch: shape.patchSize, batch: shape.batch, voxfeed: ours, peer, ratio: peer && ratios(ours, peer) };
if (values.raw !== undefined) report.training = trainAndPredict(values.raw);
console.log(JSON.stringify(report, null, 2));

interface StepTimes {
  gpu: string;
  float32: StepTime;
  mixed?: StepTime;
}

async function measureSteps(): Promise<StepTimes> {
  const gpu = await Gpu.open('mixed', { timed: values.profile });
  const measured = (precision: Precision): Promise<StepTime> =>
    measureStep(gpu, shape, precision, {
      steps,
      profiled: values.profile,
      tiling: values.tile ? JSON.parse(values.tile) : {},
      tuneSeconds: values.tune === undefined ? undefined : Number(values.tune),
    });
  const found: StepTimes = { gpu: gpu.name, float32: await measured('float32') };
  if (gpu.hasHalf) found.mixed = await measured('mixed');
  gpu.close();
  return found;
}

function measurePeer(python: string): Record<string, number | string> {
  const path = join(out, 'step.json');
  writeFileSync(path, JSON.stringify({ ...shape, channels: CHANNELS, classes: CLASSES, heads: headsOf(network), steps, warmUp: WARM_UP }));
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
