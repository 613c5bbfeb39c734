import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { replay } from '../../src/loader/replay.ts';
import type { Store } from '../../src/store/store.ts';
import { asB2nd, type B2ndStore } from '../fixtures/b2nd-store.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { makeStore } from '../fixtures/store.ts';
import { undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPES: Triple[] = [
  [20, 24, 28],
  [18, 30, 22],
  [11, 40, 17],
  [16, 28, 20],
];
const dir = temporaryFolder();
/** Outside in front, two labels elsewhere. */
const label = (number: number, z: number, y: number, x: number): number =>
  y < 2 ? -1 : z > 4 && z < 12 && y > 5 && x > 4 ? 1 + (number % 2) : 0;
const store = await makeStore(join(dir, 'npy'), { shapes: SHAPES, channels: 3, label });

/** As nnU-Net's today: a channel a block, clipped chunks. */
const TODAY: B2ndStore = {
  codec: 'lz4',
  image: { chunk: [1, 18, 16, 20], block: [1, 8, 16, 8] },
  labels: { chunk: [1, 20, 24, 17], block: [1, 16, 8, 16] },
};
/** As older releases: all channels in a block. */
const OLDER: B2ndStore = {
  codec: 'zstd',
  image: { chunk: [3, 8, 16, 16], block: [3, 4, 8, 8] },
  labels: { chunk: [1, 16, 16, 16], block: [1, 8, 8, 16] },
};
const TYPES = [Int16Array, Int8Array, Int16Array, Int8Array];
const stores: Record<string, Store> = {
  today: await asB2nd(store, join(dir, 'today'), TODAY),
  older: await asB2nd(store, join(dir, 'older'), OLDER),
  'labels of several widths': await asB2nd(store, join(dir, 'mixed'), { ...TODAY, labelType: (number) => TYPES[number] }),
  'narrow labels': await asB2nd(store, join(dir, 'narrow'), { ...OLDER, labelType: () => Int8Array }),
};

const OPTIONS: Omit<LoaderOptions, 'store'> = { patchSize: [14, 16, 18], batchSize: 3, seed: 7, augmentation: 'default' };
const expected = await undisturbedHashes({ store, ...OPTIONS, workers: 1 }, 6);

describe.each(Object.keys(stores))('a stream from .b2nd files: %s', (name) => {
  it.each([{ workers: 1, cacheBytes: 0 }, { workers: 2, cacheBytes: 0 }, { workers: 1 }, { workers: 2 }])(
    'is the one from .npy files with the same voxels: %o',
    async (options) => {
      expect(await undisturbedHashes({ store: stores[name], ...OPTIONS, ...options }, 6)).toEqual(expected);
    },
  );
});

describe('from .b2nd files', () => {
  it.each<[string, Partial<LoaderOptions>]>([
    ['without augmentation', { augmentation: 'none' }],
    ['in two dimensions', { patchSize: [20, 18], batchSize: 9 }],
    ['with reflected edges', { patchSize: [24, 24, 24], batchSize: 2, padMode: 'reflect' }],
    ['with patches larger than any case', { patchSize: [48, 48, 48], batchSize: 1 }],
    [
      'deformed, from whole crops',
      { augmentation: [{ transform: 'spatial', elasticProbability: 1, elasticMagnitude: [0, 2] }], batchSize: 1 },
    ],
    ['in a cascade', { previousStage: writePrevious(join(dir, 'previous'), store) }],
  ])('come the same bytes %s', async (_, options) => {
    const given = { ...OPTIONS, workers: 2, cacheBytes: 0, ...options };
    const same = await undisturbedHashes({ store, ...given }, 3);
    expect(await undisturbedHashes({ store: stores.today, ...given }, 3)).toEqual(same);
    expect(await undisturbedHashes({ store: stores.older, ...given }, 3)).toEqual(same);
  });

  it('samples are made again, with what they were cut from', async () => {
    for (const sample of [0, 7, 11]) {
      const wanted = await replay({ store, ...OPTIONS }, sample);
      for (const one of [stores.today, stores.older]) {
        const { before, after } = await replay({ store: one, ...OPTIONS }, sample);
        expect(before).toEqual(wanted.before);
        expect(after).toEqual(wanted.after);
      }
    }
  });

  it('labels of uint8 above 127 are what they are', async () => {
    const wide = await makeStore(join(dir, 'wide'), {
      shapes: SHAPES,
      labels: { background: 0, low: 1, high: 200 },
      label: (_, z, y, x) => (z > 4 && y > 5 && x > 4 ? (x % 2 ? 200 : 1) : 0),
    });
    const bytes = await asB2nd(wide, join(dir, 'wide-b2nd'), { ...TODAY, labelType: () => Uint8Array });
    for (const cacheBytes of [0, 1024 ** 2]) {
      const given = { ...OPTIONS, workers: 1, cacheBytes };
      expect(await undisturbedHashes({ store: bytes, ...given }, 3)).toEqual(await undisturbedHashes({ store: wide, ...given }, 3));
    }
  });

  it('room for blocks is a part of the memory that is planned', async () => {
    const scratch = async (one: Store): Promise<number> => {
      await using loader = await PatchLoader.create({ store: one, ...OPTIONS, workers: 1 });
      return loader.memory().parts.find((part) => part.name === 'scratch')!.bytes;
    };
    const large: B2ndStore = { ...TODAY, image: { chunk: [1, 20, 64, 64], block: [1, 20, 64, 64] } };
    const blocks = await asB2nd(store, join(dir, 'large'), large);
    expect(await scratch(blocks)).toBeGreaterThan((await scratch(stores.today)) + 2 * 2 * 4 * 20 * 64 * 64);
  });
});
