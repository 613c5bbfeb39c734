// Three training steps of a small network on made-up batches, with everything that goes in and comes out, in a folder for
// training_step.py, which does the same with PyTorch and nnU-Net's own loss:
//   node bench/interop/training-step.ts FOLDER && python bench/interop/training_step.py FOLDER

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { voxels } from '../../src/common/geometry.ts';
import { Draws } from '../../src/common/random.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { Network } from '../../src/plans/network.ts';
import { Gpu } from '../../src/training/gpu/device.ts';
import { tilingFor } from '../../src/training/gpu/tile.ts';
import { TrainingStep } from '../../src/training/training-step.ts';

const STEPS = 3;
const [dir] = process.argv.slice(2);
const network: Network = {
  kind: 'plain',
  features: [4, 6, 8],
  strides: [
    [1, 1, 1],
    [1, 2, 2],
    [2, 2, 2],
  ],
  kernels: [
    [1, 3, 3],
    [3, 3, 3],
    [3, 3, 3],
  ],
  encoder: [2, 1, 2],
  decoder: [1, 2],
};
const patchSize = [8, 12, 16];
const [batch, channels, classes] = [2, 2, 3];

mkdirSync(dir, { recursive: true });
const gpu = await Gpu.open('float32');
const options = { network, patchSize, batch, channels, classes, heads: 1, batchDice: true, ignore: null };
const step = await TrainingStep.create(gpu, { ...options, tiling: tilingFor(gpu, 'float32') });
const { parameters, logits } = step.unet;
const write = (name: string, values: Float32Array): void =>
  writeFileSync(
    join(dir, name),
    Buffer.concat(
      encodeSafetensors(
        parameters.list.map(({ name, shape, offset }) => ({ name, shape, data: values.subarray(offset, offset + voxels(shape)) })),
        { format: 'pt' },
      ),
    ),
  );
const values = parameters.initial(1);
write('before.safetensors', values);
step.load(values, null);
const draws = new Draws(7, 0, 99);
const learningRate = 0.01;
for (let i = 0; i < STEPS; i++) {
  const image = Float32Array.from({ length: voxels([batch, channels, ...patchSize]) }, () => 2 * draws.uniform() - 1);
  const targets = logits.map(({ shape }) => Int16Array.from({ length: batch * voxels(shape) }, () => draws.below(classes)));
  writeFileSync(join(dir, `image-${i}.f32`), image);
  for (const [scale, target] of targets.entries()) writeFileSync(join(dir, `target-${i}-${scale}.i16`), target);
  step.upload(image, targets);
  step.train(learningRate);
}
const results = await step.results();
write('after.safetensors', (await step.save()).values);
writeFileSync(
  join(dir, 'step.json'),
  JSON.stringify({ ...options, steps: STEPS, learningRate, results, shapes: logits.map(({ shape }) => shape) }, null, 1),
);
step.destroy();
gpu.close();
