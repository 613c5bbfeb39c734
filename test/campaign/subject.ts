import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import { prepareOptions } from '../../src/loader/options/prepare.ts';
import { saveState } from '../../src/loader/options/state.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import type { Checkpoint } from '../../src/training/checkpoint.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';

/** What the campaign works on: a small raw data set, its store, and one file of every other kind. */
export interface Subject {
  raw: string;
  store: string;
  state: string;
  augmentation: string;
  model: string;
}

export async function makeSubject(dir: string): Promise<Subject> {
  const raw = join(dir, 'raw');
  const cases = ['a', 'b', 'c', 'd', 'e'].map((id, i) => randomCase(id, [9, 10, 11 + i], { seed: i + 1, labels: 2 }));
  makeRawDataset(raw, { labels: { background: 0, organ: 1, tumour: 2 }, cases });
  const store = join(dir, 'store');
  await preprocess(raw, store, { workers: 1 });
  const opened = await openStore(store);
  const { streams } = await prepareOptions({ store: opened, fold: 0, validation: true, augmentation: 'default', seed: 3 });
  const saved = saveState(streams, { training: 5, validation: 2 });
  const write = (path: string, content: unknown): string => {
    writeFileSync(path, JSON.stringify(content, null, 1));
    return path;
  };
  const model = join(dir, 'model');
  mkdirSync(model);
  const checkpoint: Checkpoint = {
    format: 'voxfeed-checkpoint',
    version: 1,
    epoch: 2,
    options: {
      configuration: '3d_fullres',
      network: {
        kind: 'plain',
        features: [4, 8],
        strides: [
          [1, 1, 1],
          [2, 2, 2],
        ],
        kernels: [
          [3, 3, 3],
          [3, 3, 3],
        ],
        encoder: [1, 1],
        decoder: [1],
      },
      patchSize: [8, 8, 8],
      batch: 2,
      channels: 1,
      classes: 3,
      ignore: null,
      batchDice: false,
      scales: 1,
      precision: 'float32' as const,
      epochs: 10,
      iterations: 2,
      validationIterations: 1,
      learningRate: 0.01,
      seed: 3,
    },
    lossScale: null,
    batches: saved,
    history: [],
    best: null,
    files: { network: 'network-2.safetensors', momentum: 'momentum-2.safetensors' },
  };
  write(join(model, 'checkpoint.json'), checkpoint);
  for (const file of Object.values(checkpoint.files))
    writeFileSync(
      join(model, file),
      Buffer.concat(encodeSafetensors([{ name: 'w', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }])),
    );
  return {
    raw,
    store,
    model,
    state: write(join(dir, 'state.json'), saved),
    augmentation: write(join(dir, 'steps.json'), [
      { transform: 'spatial', rotationProbability: 0.5 },
      { transform: 'noise', sigma: [0, 0.1] },
      { transform: 'oneOf', steps: [{ transform: 'gamma' }, { transform: 'blur' }] },
      { transform: 'mirror' },
    ]),
  };
}

export function text(path: string): string {
  return readFileSync(path, 'utf8');
}
