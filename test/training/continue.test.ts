import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Store, type TrainOptions, type TrainReport, train } from '../../src/index.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { tinyStore } from './tiny-training.ts';

const dir = temporaryFolder();
const SMALL = { iterations: 2, validationIterations: 1, workers: 1, seed: 5, precision: 'float32' } as const;
let store: Store;

beforeAll(async () => {
  store = await tinyStore(dir, { flat: true });
}, 400_000);

const losses = ({ epochs }: TrainReport) => epochs.map(({ losses, validationLoss }) => ({ losses, validationLoss }));

describe('a training that differs from the defaults', () => {
  it.each<[string, Partial<TrainOptions>]>([
    ['of another configuration', { config: '2d' }],
    ['with another augmentation and fold', { augmentation: 'noMirroring', fold: 1 }],
  ])('%s goes on with its options repeated and without', async (name, options) => {
    const whole = await train(store, { ...SMALL, ...options, out: join(dir, name, 'whole'), epochs: 2 });
    for (const [i, again] of [options, {}].entries()) {
      const out = join(dir, name, String(i));
      const stop = new Error('enough');
      const begun = train(store, {
        ...SMALL,
        ...options,
        out,
        epochs: 2,
        onEpoch() {
          throw stop;
        },
      });
      await expect(begun).rejects.toBe(stop);
      expect(losses(await train(store, { ...again, out, continue: true, workers: 1 }))).toEqual(losses(whole));
    }
  });

  it('is not continued as another configuration', async () => {
    const out = join(dir, 'of another configuration', '0');
    await expect(train(store, { out, continue: true, epochs: 3, config: '3d_fullres' })).rejects.toThrow(
      /it was saved with config "2d", the options say "3d_fullres"/,
    );
  });

  it('whose checkpoint names a module runs it only where that is allowed', async () => {
    const out = join(dir, 'of another configuration', '1');
    const path = join(out, 'checkpoint.json');
    const checkpoint = JSON.parse(readFileSync(path, 'utf8'));
    const module = join(dir, 'stranger.mjs');
    writeFileSync(module, 'export default { apply() {} };');
    checkpoint.batches.augmentation.push({ transform: 'custom', module });
    writeFileSync(path, JSON.stringify(checkpoint));
    const again = { out, continue: true, epochs: 3, workers: 1 } as const;
    await expect(train(store, again)).rejects.toThrow(
      /^allowModules: the state runs code: its augmentation names the module .*stranger\.mjs/,
    );
    expect((await train(store, { ...again, allowModules: true })).epochs.length).toBe(3);
  });
});
