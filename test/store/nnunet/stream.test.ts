import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PatchLoader } from '../../../src/loader/loader.ts';
import type { LoaderOptions } from '../../../src/loader/options/options.ts';
import type { ArrayFormat } from '../../../src/store/file-names.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { nnunetFolderOf } from '../../fixtures/nnunet-folder.ts';
import { makeStore } from '../../fixtures/store.ts';
import { undisturbedHashes } from '../../fixtures/stream.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const FORMATS: ArrayFormat[] = ['npy', 'npz', 'b2nd'];
const OPTIONS = { patchSize: [8, 9, 10], batchSize: 3, seed: 7 };

let ours: Store;
let theirs: Record<string, Store>;

beforeAll(async () => {
  const dir = temporaryFolder();
  ours = await makeStore(join(dir, 'store'), {
    shapes: [
      [12, 20, 17],
      [9, 11, 30],
      [10, 14, 12],
    ],
    channels: 2,
  });
  const folders = FORMATS.map(async (format) => [format, await openStore(await nnunetFolderOf(ours, join(dir, format), format))]);
  theirs = Object.fromEntries(await Promise.all(folders));
});

describe.each(FORMATS)("a stream from nnU-Net's .%s files", (format) => {
  it.each<Partial<LoaderOptions>>([
    { augmentation: 'default', workers: 1 },
    { augmentation: 'default', workers: 2, ...(format !== 'npz' && { cacheBytes: 0 }) },
    { augmentation: 'da5', workers: 2 },
    { augmentation: 'none', patchSize: [14, 12], workers: 1 },
    { augmentation: 'default', fold: 'all', validation: true, workers: 2 },
  ])('has the bytes of a store with the same voxels: %j', async (options) => {
    const [expected, found] = await Promise.all(
      [ours, theirs[format]].map((store) => undisturbedHashes({ ...OPTIONS, ...options, store }, 6)),
    );
    expect(found).toEqual(expected);
  });
});

describe('.npz files', () => {
  it('that do not fit into memory are refused, with what they take', async () => {
    await expect(PatchLoader.create({ ...OPTIONS, store: theirs.npz, cacheBytes: 1000 })).rejects.toMatchObject({
      name: 'MemoryError',
      where: theirs.npz.dir,
      what: expect.stringMatching(/^its \.npz files must be kept in memory whole, which takes 8\d\.\d KiB, and there is room for 1000 B$/),
    });
  });

  it('are all in memory, whatever the default for others is', async () => {
    await using loader = await PatchLoader.create({ ...OPTIONS, store: theirs.npz });
    expect(loader.memory().parts.find(({ name }) => name === 'resident cases')?.meaning).toMatch(/^3 cases/);
  });
});
