/** A transform of one's own, `spikes.ts`, at the end of nnU-Net's pipeline. */
import { PatchLoader, type PipelineStep, presetSteps } from 'voxfeed';
import { hippocampus } from './hippocampus.ts';

const store = await hippocampus();
const patchSize = [40, 56, 40];
const standard = presetSteps('default', { patchSize });
const spikes: PipelineStep = { transform: 'custom', module: import.meta.resolve('./spikes.ts'), options: { most: 3 }, probability: 0.5 };

/** The first batch, copied: it outlives its loader. */
async function firstBatch(augmentation: readonly PipelineStep[]): Promise<Float32Array> {
  await using loader = await PatchLoader.create({ store, patchSize, batchSize: 8, augmentation, seed: 7, workers: 2 });
  using batch = await loader.next();
  return Float32Array.from(batch.data);
}

// Each step has random numbers of its own: with one more, the others do what they did.
const [plain, spiked] = [await firstBatch(standard), await firstBatch([...standard, spikes])];
const voxels = plain.length / 8;
let all = 0;
for (let sample = 0; sample < 8; sample++) {
  let changed = 0;
  for (let i = sample * voxels; i < (sample + 1) * voxels; i++) if (spiked[i] !== plain[i]) changed++;
  console.log(`sample ${sample}: ${changed} of ${voxels} voxels are spikes`);
  all += changed;
}
if (all === 0) throw new Error('there is no spike');
