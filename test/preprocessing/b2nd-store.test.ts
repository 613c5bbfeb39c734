import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { type PreprocessOptions, preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { readArray } from '../../src/store/whole-array.ts';
import { readVolume } from '../../src/view/volumes.ts';
import { writePlans } from '../fixtures/plans.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames } from './store-files.ts';

const dir = temporaryFolder();
let raw: string;
let options: PreprocessOptions;

beforeAll(async () => {
  const cases = ['a', 'b', 'c'].map((id, i) => randomCase(id, [20, 24 + i, 33], { seed: i + 1, channels: 2, sparse: true }));
  raw = makeRawDataset(join(dir, 'Dataset001_Test'), { channels: ['T1', 'T2'], cases });
  const plans = writePlans(join(dir, 'plans.json'), { normalisation: ['ZScoreNormalization', 'ZScoreNormalization'] });
  options = { workers: 1, plans };
});

const OPTIONS: Omit<LoaderOptions, 'store'> = { patchSize: [14, 16, 18], batchSize: 3, seed: 7, augmentation: 'default', workers: 1 };

describe.each(['float32', 'float16', 'int16'] as const)('a store of .b2nd files, images %s', (dtype) => {
  let [plain, compact] = ['', ''];
  beforeAll(async () => {
    [plain, compact] = [join(dir, `npy-${dtype}`), join(dir, `b2nd-${dtype}`)];
    await preprocess(raw, plain, { ...options, dtype });
    await preprocess(raw, compact, { ...options, dtype, arrays: 'b2nd' });
  });

  it('holds the same arrays, and says what they are in', async () => {
    const names = ['a', 'b', 'c'].flatMap((id) => [`${id}.b2nd`, `${id}_seg.b2nd`, `${id}.msgpack`]);
    expect(fileNames(compact)).toEqual(expect.arrayContaining(names));
    expect(fileNames(compact).filter((name) => name.endsWith('.npy'))).toEqual([]);
    for (const id of ['a', 'b', 'c']) {
      // Level 5 of zstd, by Blosc's numbers.
      for (const name of [`${id}.b2nd`, `${id}_seg.b2nd`]) expect(readFileSync(join(compact, name))[27]).toBe(0x55);
      const { block, ...image } = readArray(join(compact, `${id}.b2nd`), 'b2nd', 'data');
      expect(image).toEqual(readArray(join(plain, `${id}.npy`), 'npy', 'data'));
      const labels = readArray(join(compact, `${id}_seg.b2nd`), 'b2nd', 'seg');
      const wanted = readArray(join(plain, `${id}_seg.npy`), 'npy', 'seg');
      expect([labels.dtype, labels.shape, labels.data]).toEqual(['|i1', [1, ...wanted.shape], wanted.data]);
      const { largestBlock } = (await openStore(compact)).index;
      expect(largestBlock!.bytes).toBeGreaterThanOrEqual(Math.max(block!.bytes, labels.block!.bytes));
    }
    expect((await openStore(compact)).index.arrays).toBe('b2nd');
    expect((await openStore(plain)).index.arrays).toBeUndefined();
    expect((await verifyStore(compact)).damaged).toEqual([]);
  });

  it.each<[string, Partial<LoaderOptions>]>([
    ['from files', { cacheBytes: 0 }],
    ['from memory', {}],
    ['from copies on a local disk', { cacheBytes: 0, localCache: { dir: join(dir, 'copies'), bytes: 1024 ** 3 } }],
  ])('streams what .npy files do: %s', async (_, given) => {
    const [npy, b2nd] = [await openStore(plain), await openStore(compact)];
    const expected = await undisturbedHashes({ store: npy, ...OPTIONS, ...given }, 4);
    expect(await undisturbedHashes({ store: b2nd, ...OPTIONS, ...given }, 4)).toEqual(expected);
    expect(readVolume(b2nd, 1, 1)).toEqual(readVolume(npy, 1, 1));
  });

  it('is finished by a run with the same arrays, and refuses one with others', async () => {
    const before = contents(compact);
    expect((await preprocess(raw, compact, { ...options, dtype, arrays: 'b2nd' })).written).toBe(0);
    expect(contents(compact)).toEqual(before);
    const refused = { name: 'StoreError', what: expect.stringContaining('dtype or arrays') };
    await expect(preprocess(raw, compact, { ...options, dtype })).rejects.toMatchObject(refused);
    await expect(preprocess(raw, plain, { ...options, dtype, arrays: 'b2nd' })).rejects.toMatchObject(refused);
  });
});
