import { describe, expect, it } from 'vitest';
import { MemoryError, OptionError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes } from '../fixtures/stream.ts';

const { options } = await loaderFixture();

describe('options', () => {
  it.each<[string, object, RegExp]>([
    ['an unknown option', { patchsize: [1, 1, 1] }, /patchsize: there is no such option/],
    ['no store', { store: undefined }, /store: it is not an opened store/],
    ['a patch of four axes', { patchSize: [1, 2, 3, 4] }, /patchSize: \[1,2,3,4\] is not a patch size/],
    ['a patch of size 0', { patchSize: [0, 2, 3] }, /patchSize/],
    ['a batch of 0', { batchSize: 0 }, /batchSize: 0 is not a whole number from 1/],
    ['a batch size that is none', { batchSize: null }, /batchSize: null is not a whole number/],
    ['a negative seed', { seed: -1 }, /seed: -1/],
    ['a seed that is no whole number', { seed: 1.5 }, /seed: 1.5/],
    ['no worker', { workers: 0 }, /workers: 0/],
    ['a fraction above 1', { oversample: 33 }, /oversample: 33 is not a fraction/],
    ['an unknown padding', { padMode: 'wrap' }, /padMode: "wrap"/],
    ['a ring of 0', { ring: 0 }, /ring: 0/],
    ['a map of weights', { caseWeights: new Map([['case_000', 2]]) }, /caseWeights: a Map is not a set of case weights/],
    ['a map of classes', { classWeights: new Map([['one', 2]]) }, /classWeights: a Map is not a set of class weights/],
    ['a negative cache', { cacheBytes: -1 }, /cacheBytes: -1/],
  ])('are refused: %s', async (_, wrong, message) => {
    await expect(PatchLoader.create({ ...options, ...wrong })).rejects.toThrow(OptionError);
    await expect(PatchLoader.create({ ...options, ...wrong })).rejects.toThrow(message);
  });

  it.each([undefined, null, 'store', 5])('of %j are refused like those without a store', async (given) => {
    await expect(PatchLoader.create(given as never)).rejects.toThrow(/store: it is not an opened store/);
  });

  it.each([null, [], '1', true, -1, 1.5])('with a state whose next batch is %j are refused', async (nextBatch) => {
    await using loader = await PatchLoader.create(options);
    const state = { ...loader.state(), nextBatch } as never;
    await expect(PatchLoader.create({ store: options.store, state })).rejects.toThrow(
      /^state\.nextBatch: .* is not a whole number from 0 on/,
    );
  });

  it.each(['patchSize', 'batchSize'])('must say the %s where the store has no plans', async (name) => {
    await expect(PatchLoader.create({ ...options, [name]: undefined })).rejects.toMatchObject({
      name: 'StoreError',
      what: 'the store has no plans',
      action: expect.stringContaining('Give patch and batch size'),
    });
  });

  it('that do not fit into memory are refused before anything is allocated', async () => {
    await expect(PatchLoader.create({ ...options, maxMemoryBytes: 10_000 })).rejects.toThrow(MemoryError);
    await expect(PatchLoader.create({ ...options, patchSize: [2000, 2000, 2000], batchSize: 4 })).rejects.toThrow(
      /the loader needs .* (TiB|GiB) \(ring/,
    );
  });

  it('that leave little memory get a smaller ring and no cache, not a refusal', async () => {
    await using roomy = await PatchLoader.create(options);
    await using tight = await PatchLoader.create({ ...options, maxMemoryBytes: 4_000_000 });
    const part = (loader: PatchLoader, name: string): number =>
      loader.memory().parts.find((found) => found.name === name)?.bytes ?? Number.NaN;
    expect(part(tight, 'ring')).toBeLessThan(part(roomy, 'ring'));
    expect(part(tight, 'resident cases')).toBeLessThan(part(roomy, 'resident cases'));
    expect(tight.memory().totalBytes).toBeLessThanOrEqual(4_000_000);
    expect(await streamHashes(tight, 5)).toEqual(await streamHashes(roomy, 5));
  });

  it('determine the memory, which can be read', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 5 });
    const { parts, totalBytes } = loader.memory();
    expect(parts.map(({ name }) => name)).toEqual(['ring', 'scratch', 'header', 'resident cases', 'class locations']);
    expect(parts[0].bytes).toBeGreaterThanOrEqual(5 * 6 * 8 * 9 * 10 * 6);
    expect(totalBytes).toBeGreaterThanOrEqual(parts.reduce((sum, { bytes }) => sum + bytes, 0));
  });
});
