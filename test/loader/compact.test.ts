import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { fromInt16, toInt16 } from '../../src/formats/int16.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { replay } from '../../src/loader/replay.ts';
import type { StoreCase } from '../../src/preprocessing/check-case.ts';
import { type StoreContent, writeStore } from '../../src/preprocessing/write-store.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPES: Triple[] = [
  [20, 24, 28],
  [18, 31, 22],
  [11, 40, 17],
];
const CHANNELS = 2;

/** Of every size that float16 has, and of some that it has not: those become 0 or subnormal. */
function* intensities(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const size = 2 ** (((state >>> 8) % 43) - 28);
    yield (state % 2 ? -size : size) * (1 + state / 2 ** 32);
  }
}

function* cases(round: (image: Float32Array) => Float32Array): Generator<StoreCase> {
  for (const [number, shape] of SHAPES.entries()) {
    const [rows, columns] = [shape[1], shape[2]];
    const segmentation = Int8Array.from({ length: voxels(shape) }, (_, i) => {
      const [z, y, x] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
      return y < 2 ? -1 : z > 4 && y > 5 && x > 4 ? 1 + (number % 2) : 0;
    });
    const image = Float32Array.from(intensities(number).take(CHANNELS * voxels(shape)));
    yield { id: `case_${number}`, shape, image: round(image), segmentation };
  }
}

const dir = temporaryFolder();
const write = (name: string, content: Pick<StoreContent, 'cases' | 'dtype'>) =>
  writeStore(join(dir, name), { name, channels: ['CT', 'PET'], labels: { background: 0, organ: 1, tumour: 2 }, ...content });
/** Each channel by a line of its own. */
function onLines(image: Float32Array): Float32Array {
  const count = image.length / CHANNELS;
  const channels = Array.from({ length: CHANNELS }, (_, channel) => toInt16(image.slice(channel * count, (channel + 1) * count)));
  return Float32Array.from(channels.flatMap(({ stored, line }) => [...fromInt16(stored, line)]));
}

const stores = {
  float16: {
    rounded: await write('rounded-float16', { cases: cases((image) => new Float32Array(new Float16Array(image))) }),
    compact: await write('float16', { cases: cases((image) => image), dtype: 'float16' }),
  },
  int16: {
    rounded: await write('rounded-int16', { cases: cases(onLines) }),
    compact: await write('int16', { cases: cases((image) => image), dtype: 'int16' }),
  },
};

const OPTIONS: Omit<LoaderOptions, 'store'> = { patchSize: [14, 16, 18], batchSize: 3, seed: 7, augmentation: 'default' };

describe.each(['float16', 'int16'] as const)('a stream from %s images', (dtype) => {
  const { rounded, compact } = stores[dtype];
  it.each<[string, Partial<LoaderOptions>]>([
    ['from files', { cacheBytes: 0 }],
    ['from memory', { workers: 2 }],
    ['from copies on a local disk', { cacheBytes: 0, localCache: { dir: join(dir, 'copies'), bytes: 1024 ** 3 } }],
    ['without augmentation', { augmentation: 'none', cacheBytes: 0 }],
    ['with every sample mirrored', { augmentation: [{ transform: 'mirror', probability: 1 }], cacheBytes: 0 }],
    ['in two dimensions', { patchSize: [20, 18], batchSize: 9, cacheBytes: 0 }],
    ['with reflected edges', { patchSize: [24, 24, 24], padMode: 'reflect', cacheBytes: 0 }],
    ['with patches larger than any case', { patchSize: [48, 48, 48], batchSize: 1, cacheBytes: 0 }],
    ['deformed, from whole crops', { augmentation: [{ transform: 'spatial', elasticProbability: 1, elasticMagnitude: [0, 2] }] }],
    ['in a cascade', { previousStage: writePrevious(join(dir, `previous-${dtype}`), compact), cacheBytes: 0 }],
  ])('is the one from float32 images of the same numbers: %s', async (_, options) => {
    const given = { ...OPTIONS, workers: 1, ...options };
    const expected = await undisturbedHashes({ store: rounded, ...given }, 6);
    expect(await undisturbedHashes({ store: compact, ...given }, 6)).toEqual(expected);
  });

  it('has samples that are made again, with what they were cut from', async () => {
    for (const sample of [0, 7]) {
      const { before, after } = await replay({ store: compact, ...OPTIONS }, sample);
      const wanted = await replay({ store: rounded, ...OPTIONS }, sample);
      expect(before).toEqual(wanted.before);
      expect(after).toEqual(wanted.after);
    }
  });
});
