import { expect, test } from 'vitest';
import { GPU_TILING, SOFTWARE_TILING } from '../../src/training/gpu/tile.ts';
import { INITIAL_SCALE } from '../../src/training/loss-scale.ts';
import { TrainingStep } from '../../src/training/training-step.ts';
import { flatNetwork } from '../fixtures/networks.ts';
import { openGpu } from './gpu.ts';

const gpu = await openGpu();

async function mixedStep() {
  const step = await TrainingStep.create(gpu, {
    network: flatNetwork([2, 3]),
    patchSize: [8, 8],
    batch: 2,
    channels: 1,
    classes: 2,
    heads: 1,
    precision: 'mixed',
    tiling: gpu.software ? SOFTWARE_TILING : GPU_TILING,
    batchDice: true,
    ignore: null,
  });
  const image = new Float32Array(128).map((_, i) => Math.sin(i));
  const labels = new Int16Array(128).map((_, i) => i % 2);
  const train = async () => {
    step.upload(image, [labels]);
    step.train(0.01);
    return (await step.results())[0];
  };
  return { step, train, initial: step.unet.parameters.initial(1) };
}

test('a step whose gradients overflow float16 is left out, and the scale halved until they do not', async () => {
  const { step, train, initial } = await mixedStep();
  step.load(initial, null, { scale: 2 ** 30, steps: 7 });
  const first = await train();
  expect(Number.isFinite(first.loss)).toBe(true);
  expect(Number.isFinite(first.gradientNorm)).toBe(false);
  const after = await step.save();
  expect(after.lossScale).toEqual({ scale: 2 ** 29, steps: 0 });
  expect(after.values).toEqual(initial);
  expect(after.momentum.every((value) => value === 0)).toBe(true);
  let result = first;
  for (let i = 0; i < 20 && !Number.isFinite(result.gradientNorm); i++) result = await train();
  expect(Number.isFinite(result.gradientNorm)).toBe(true);
  const learnt = await step.save();
  expect(learnt.lossScale?.steps).toBe(1);
  expect(learnt.values).not.toEqual(initial);
  step.destroy();
});

test('after 2000 steps without overflow the scale is doubled; parameters hardly depend on it', async () => {
  const { step, train, initial } = await mixedStep();
  step.load(initial, null);
  const usual = await train();
  const expected = await step.save();
  expect(expected.lossScale).toEqual({ ...INITIAL_SCALE, steps: 1 });
  step.load(initial, null, { scale: 1024, steps: 1999 });
  const { loss, gradientNorm } = await train();
  const found = await step.save();
  expect(found.lossScale).toEqual({ scale: 2048, steps: 0 });
  expect(loss).toBe(usual.loss);
  expect(Math.abs(gradientNorm / usual.gradientNorm - 1)).toBeLessThan(1e-3);
  for (const [i, value] of found.values.entries()) expect(Math.abs(value - expected.values[i])).toBeLessThan(1e-4);
  step.destroy();
});
