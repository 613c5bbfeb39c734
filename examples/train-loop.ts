/**
 * A training loop of one's own. The "network" is the smallest there is, a logistic regression of foreground on brightness, so that
 * it runs anywhere: put yours in its place. To train nnU-Net's U-Net on the GPU, `train(store, { out, fold })` is all it takes.
 */
import { type Batch, PatchLoader } from 'voxfeed';
import { hippocampus } from './hippocampus.ts';

const network = { weight: 0, bias: 0 };

/** The mean cross-entropy over a batch; with a learning rate, a step down its gradient. */
function step({ data, target }: Batch, learningRate = 0): number {
  let loss = 0;
  let byWeight = 0;
  let byBias = 0;
  for (let i = 0; i < data.length; i++) {
    const truth = target[i] > 0 ? 1 : 0;
    const chance = 1 / (1 + Math.exp(-(network.weight * data[i] + network.bias)));
    loss -= Math.log(Math.max(truth === 1 ? chance : 1 - chance, 1e-12)) / data.length;
    byWeight += ((chance - truth) * data[i]) / data.length;
    byBias += (chance - truth) / data.length;
  }
  network.weight -= learningRate * byWeight;
  network.bias -= learningRate * byBias;
  return loss;
}

const mean = (losses: number[]): number => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;

await using loader = await PatchLoader.create({
  store: await hippocampus(), // patch and batch size come from its plans
  augmentation: 'default',
  fold: 0,
  validation: true,
  epochs: { training: 20, validation: 4 }, // nnU-Net: 250 and 50
  seed: 7,
  workers: 2,
});

const validated: number[] = [];
for await (const epoch of loader.epochs(3)) {
  const losses: number[] = [];
  for await (using batch of epoch.training) losses.push(step(batch, 2));
  const unseen: number[] = [];
  for await (using batch of epoch.validation) unseen.push(step(batch));
  validated.push(mean(unseen));
  console.log(`epoch ${epoch.index}: loss ${mean(losses).toFixed(3)}, on cases it has not seen ${mean(unseen).toFixed(3)}`);
}
if (!(validated[2] < validated[0])) throw new Error('it has learnt nothing');
