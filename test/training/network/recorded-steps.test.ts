import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { nearestExact } from '../../../src/augmentation/nearest-exact.ts';
import { patchOf, type Triple, voxels } from '../../../src/common/geometry.ts';
import { decodeSafetensors } from '../../../src/formats/safetensors.ts';
import type { Network } from '../../../src/plans/network.ts';
import { networkFrom } from '../../../src/plans/plans.ts';
import { readLabels } from '../../../src/raw/labels.ts';
import type { Parameter } from '../../../src/training/network/parameters.ts';
import { outputsOf } from '../../../src/training/outputs.ts';
import { TrainingStep } from '../../../src/training/training-step.ts';
import { expectClose, openGpu, TILINGS } from '../gpu.ts';

/** What nnU-Net's own code made: `bench/interop/network_steps.py` records it, and says how inputs are made. */
const RECORDED = join(import.meta.dirname, 'recorded-steps');

interface RecordedStep {
  name: string;
  channels: number;
  batch_dice: boolean;
  labels: Record<string, number | number[]>;
  previous_stage?: string;
  loss: number;
  gradient_norm: number;
  /** Right, wrongly found, missed: of each class or region, background left out. */
  counts: [number, number, number][];
}

const { architecture, patch_size: patchSize, batch_size: batch, steps } = JSON.parse(readFileSync(join(RECORDED, 'steps.json'), 'utf8'));
const { tensors: gradients } = decodeSafetensors(readFileSync(join(RECORDED, 'gradients.safetensors')));
const gpu = await openGpu();

function noise(name: string, count: number): number[] {
  const seed = crc32(name);
  return Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + seed) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 16) / 32768 - 1;
  });
}

function parameter({ name, shape }: Parameter): number[] {
  const numbers = noise(name, voxels(shape));
  if (name.endsWith('norm.weight')) return numbers.map((x) => 1 + x / 4);
  return numbers.map((x) => x * (name.includes('seg_layers') ? 2 : 0.25));
}

function drawLabels(name: string, count: number, values: readonly number[]): number[] {
  return noise(name, count).map((x) => values[Math.floor(((x + 1) / 2) * values.length)]);
}

/** What a loader does for deep supervision. */
function coarser(labels: readonly number[], from: Triple, to: Triple): number[] {
  const [, height, width] = from;
  const [, rows, columns] = to;
  return Array.from({ length: voxels(to) }, (_, i) => {
    const at = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns].map((index, axis) =>
      nearestExact(index, to[axis], from[axis]),
    );
    return labels[(at[0] * height + at[1]) * width + at[2]];
  });
}

test.each<RecordedStep>(steps)('one step is that of nnU-Net on PyTorch: $name', async (recorded) => {
  const { name, channels } = recorded;
  const network = networkFrom(architecture) as Network;
  const labels = readLabels(name, recorded.labels);
  const { ignore, values } = labels;
  const patch = patchOf(patchSize);
  const count = voxels(patch);
  const cascade = recorded.previous_stage === undefined ? [] : values.filter((value) => value > 0);
  const step = await TrainingStep.create(gpu, {
    ...outputsOf(labels),
    network,
    patchSize,
    batch,
    channels: channels + cascade.length,
    heads: Math.max(1, network.features.length - 2),
    tiling: TILINGS.direct,
    batchDice: recorded.batch_dice,
    ignore,
  });
  const { parameters, logits, trained } = step.unet;
  const numbers = Float32Array.from(parameters.list.flatMap(parameter));
  step.load(numbers, null);

  const samples = Array.from({ length: batch }, (_, sample) => {
    const previous = drawLabels(`previous ${sample}`, count, values);
    return {
      image: [...noise(`image ${sample}`, channels * count), ...cascade.flatMap((label) => previous.map((value) => +(value === label)))],
      labels: drawLabels(`labels ${sample}`, count, ignore === null ? values : [...values, ignore]),
    };
  });
  const targets = logits.map(({ shape }) => Int16Array.from(samples.flatMap(({ labels }) => coarser(labels, patch, shape))));
  step.upload(Float32Array.from(samples.flatMap(({ image }) => image)), targets);
  step.validate();
  step.train(0.01);
  const [validation, { loss, gradientNorm }] = await step.results();

  // Of its two parts, which are about 1 and may cancel: float32 has 6e-8, and sums of thousands of terms come in another order.
  expect(Math.abs(loss - recorded.loss)).toBeLessThan(3e-7 * Math.max(1, Math.abs(recorded.loss)));
  expect(validation.loss).toBe(loss);
  expect(Math.abs(gradientNorm / recorded.gradient_norm - 1)).toBeLessThan(1e-6);
  const counts = (await step.counts()).map(({ right, wrong, missed }) => [right, wrong, missed]);
  expect(counts.slice(-recorded.counts.length)).toEqual(recorded.counts);

  // The first momentum is the gradient, clipped, with weight decay.
  const clip = Math.min(1, 12 / recorded.gradient_norm);
  const { momentum } = await step.save();
  const own = parameters.list.filter(({ offset }) => offset < trained);
  const expected = [...gradients.keys()].filter((key) => key.startsWith(`${name}/`)).map((key) => key.slice(name.length + 1));
  expect(parameters.list.map(({ name }) => name).sort()).toEqual(expected.sort());
  for (const { name: key, offset, shape } of own) {
    const { data, shape: recordedShape } = gradients.get(`${name}/${key}`) as NonNullable<ReturnType<typeof gradients.get>>;
    expect(recordedShape, key).toEqual(shape);
    // A tensor may be small because large terms cancel: its rounding is that of the terms.
    const relative = Math.max(1e-5, (3e-7 * recorded.gradient_norm) / Math.max(...data.map(Math.abs)));
    expectClose(
      momentum.subarray(offset, offset + data.length),
      data.map((gradient, i) => gradient * clip + 3e-5 * numbers[offset + i]),
      relative,
    );
  }
  step.destroy();
});
