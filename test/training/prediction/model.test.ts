import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkOptions } from '../../../src/common/options.ts';
import type { Network } from '../../../src/plans/network.ts';
import { type Checkpoint, writeCheckpoint } from '../../../src/training/checkpoint.ts';
import { MODEL_OPTIONS, type Model, type ModelOptions, openModel } from '../../../src/training/prediction/model.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const RECORDED = join(import.meta.dirname, '../nnunet');
const open = (dir: string, options: ModelOptions = {}): Promise<Model> => openModel(dir, checkOptions(MODEL_OPTIONS, options));

/** A copy of a training that nnU-Net's weights are recorded of. */
function copied(model: string): string {
  const dir = join(temporaryFolder(), 'model');
  cpSync(join(RECORDED, model), dir, { recursive: true });
  return dir;
}

const folds = ({ weights }: Model): string[] => weights.map(({ path }) => path.split('/').slice(-2).join('/'));

describe("a folder of nnU-Net's", () => {
  it('gives all folds that have a number, or those that are asked for', async () => {
    const dir = copied('plain');
    cpSync(join(dir, 'fold_0'), join(dir, 'fold_all'), { recursive: true });
    cpSync(join(dir, 'fold_1'), join(dir, 'fold_10'), { recursive: true });
    expect(folds(await open(dir))).toEqual([0, 1, 10].map((fold) => `fold_${fold}/checkpoint_final.safetensors`));
    expect(folds(await open(dir, { folds: ['all', 1] }))).toEqual(['all', 1].map((fold) => `fold_${fold}/checkpoint_final.safetensors`));
    cpSync(join(dir, 'fold_0/checkpoint_final.safetensors'), join(dir, 'fold_0/checkpoint_best.safetensors'));
    expect(folds(await open(dir, { folds: [0], checkpoint: 'best' }))).toEqual(['fold_0/checkpoint_best.safetensors']);
  });

  it('says which axes may be mirrored, of those of a volume', async () => {
    expect(await open(copied('plain'))).toMatchObject({ mirrorAxes: [0, 2], network: { channels: 2, classes: 3 } });
    expect(await open(copied('flat'))).toMatchObject({ mirrorAxes: [1, 2], network: { patchSize: [16, 12] } });
  });

  it.each<[string, (dir: string) => void, ModelOptions, RegExp]>([
    [
      'that is not converted',
      (dir) => rmSync(join(dir, 'fold_0/checkpoint_final.safetensors')),
      {},
      /fold_0: there is no checkpoint\.json in it, and no checkpoint_final\.safetensors/,
    ],
    ['without such a fold', () => {}, { folds: [3] }, /fold_3: there is no checkpoint\.json in it/],
    ['without a best network', () => {}, { checkpoint: 'best' }, /no checkpoint_best\.safetensors/],
    [
      'without folds',
      (dir) => {
        for (const fold of ['fold_0', 'fold_1']) rmSync(join(dir, fold), { recursive: true });
      },
      {},
      /there is no checkpoint\.json in it, and no fold_0/,
    ],
    [
      'with regions in no order',
      (dir) => edit(dir, (json) => ({ ...json, labels: { background: 0, both: [1, 2], two: 2 } })),
      {},
      /dataset\.json: "regions_class_order" is missing/,
    ],
    [
      'whose file does not say what it is',
      (dir) => {
        const path = join(dir, 'fold_1/checkpoint_final.safetensors');
        writeFileSync(path, readFileSync(path, 'latin1').replace('"configuration"', '"konfiguration"'), 'latin1');
      },
      {},
      /fold_1\/checkpoint_final\.safetensors: its header does not say of which configuration it is/,
    ],
    [
      'whose folds are of different trainings',
      (dir) => {
        rmSync(join(dir, 'fold_1'), { recursive: true });
        const other = JSON.parse(readFileSync(join(RECORDED, 'flat/plans.json'), 'utf8')).configurations['2d'];
        const path = join(dir, 'plans.json');
        const plans = JSON.parse(readFileSync(path, 'utf8'));
        writeFileSync(path, JSON.stringify({ ...plans, configurations: { ...plans.configurations, '2d': other } }));
        cpSync(join(RECORDED, 'flat/fold_0'), join(dir, 'fold_1'), { recursive: true });
      },
      {},
      /fold_1\/checkpoint_final\.safetensors: its network is another than that of .*fold_0/,
    ],
  ])('%s is refused', async (_, damage, options, message) => {
    const dir = copied('plain');
    damage(dir);
    await expect(open(dir, options)).rejects.toThrow(message);
  });

  it('that is not there is refused', async () => {
    await expect(open(join(temporaryFolder(), 'nothing'))).rejects.toThrow(/nothing: .*ENOENT/);
    const empty = join(temporaryFolder(), 'empty');
    mkdirSync(empty);
    await expect(open(empty)).rejects.toThrow(/there is no checkpoint\.json in it/);
  });
});

describe('a folder of folds that voxfeed trained', () => {
  /** A training of one fold, as far as a model needs it. */
  async function fold(dir: string, number: number, change: Partial<Checkpoint['options']> = {}): Promise<void> {
    const path = join(dir, `fold_${number}`);
    const network: Network = { kind: 'plain', features: [4], strides: [[1, 1, 1]], kernels: [[3, 3, 3]], encoder: [1], decoder: [] };
    const options: Checkpoint['options'] = {
      ...{ configuration: '3d_fullres', network, patchSize: [8, 8, 8], batch: 2, channels: 2, classes: 3, ignore: null, batchDice: false },
      ...{ scales: 1, precision: 'float32', epochs: 5, iterations: 2, validationIterations: 1, learningRate: 0.01, seed: 0 },
      ...change,
    };
    const batches = { augmentation: [{ transform: 'mirror', axes: [1] }] } as unknown as Checkpoint['batches'];
    const best = number === 0 ? null : { epoch: 4, movingDice: 0.5, network: 'network-4.safetensors' };
    const numbers = { values: new Float32Array(2), momentum: new Float32Array(2) };
    await writeCheckpoint(
      path,
      { epoch: 5, options, lossScale: null, batches, history: [], best },
      [{ name: 'a', shape: [2], offset: 0 }],
      numbers,
    );
    cpSync(join(path, 'network-5.safetensors'), join(path, 'network-4.safetensors'));
    for (const file of ['plans.json', 'dataset.json']) cpSync(join(RECORDED, 'plain', file), join(path, file));
  }

  it('gives the last network of each, or the best, whatever their seeds and epochs', async () => {
    const dir = temporaryFolder();
    await fold(dir, 0);
    await fold(dir, 1, { seed: 4, epochs: 9 });
    const model = await open(dir);
    expect(folds(model)).toEqual(['fold_0/network-5.safetensors', 'fold_1/network-5.safetensors']);
    expect(model).toMatchObject({ mirrorAxes: [1], regions: null, network: { patchSize: [8, 8, 8], channels: 2, classes: 3 } });
    expect(folds(await open(dir, { folds: [1], checkpoint: 'best' }))).toEqual(['fold_1/network-4.safetensors']);
    await expect(open(dir, { checkpoint: 'best' })).rejects.toThrow(
      /fold_0: it has no best network: no epoch of its training was validated/,
    );
  });

  it('with other patches is refused', async () => {
    const dir = temporaryFolder();
    await fold(dir, 0);
    await fold(dir, 1, { patchSize: [8, 8, 16] });
    await expect(open(dir)).rejects.toThrow(/fold_1\/network-5\.safetensors: its network is another than that of .*fold_0/);
  });
});

function edit(dir: string, change: (json: object) => object): void {
  const path = join(dir, 'dataset.json');
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
}
