import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { measureThroughput } from '../../src/measuring/throughput.ts';
import type { Store } from '../../src/store/store.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPES: Triple[] = Array.from({ length: 5 }, () => [40, 40, 40]);

/** An organ of 16 x 16 x 16 voxels in every case but the last, in some of them with a tumour at its rim, 6 x 6 x 6. */
function label(caseNumber: number, z: number, y: number, x: number): number {
  const within = (low: number, high: number): boolean => [z, y, x].every((at) => at >= low && at < high);
  if (caseNumber < 2 && within(12, 18)) return 2;
  return caseNumber < 4 && within(12, 28) ? 1 : 0;
}

let store: Store;
let options: LoaderOptions;

beforeAll(async () => {
  const labels = { background: 0, organ: 1, tumour: 2, nowhere: 3 };
  store = await makeStore(join(temporaryFolder(), 'store'), { shapes: SHAPES, labels, label });
  options = { store, patchSize: [4, 5, 6], batchSize: 20, seed: 3, workers: 2 };
});

/** In how many of the samples of each batch every label is, counted in the targets. */
async function counts(more: Partial<LoaderOptions>, batches: number): Promise<{ counts: number[][]; loader: PatchLoader }> {
  await using loader = await PatchLoader.create({ ...options, ...more });
  const counted: number[][] = [];
  for (let i = 0; i < batches; i++) {
    using batch = await loader.next();
    const samples = batch.dataShape[0];
    const voxels = batch.target.length / samples;
    const found = Array.from({ length: samples }, (_, slot) => new Set(batch.target.subarray(slot * voxels, (slot + 1) * voxels)));
    counted.push([1, 2].map((label) => found.filter((labels) => labels.has(label)).length));
  }
  return { counts: counted, loader };
}

const mean = (counted: number[][], label: number): number =>
  counted.reduce((sum, batch) => sum + batch[label - 1], 0) / counted.length / 20;

describe('exposure', () => {
  it('brings a class that is in 1 % of random patches to 40 % of all, overall and in every window', async () => {
    const { counts: plain } = await counts({ oversample: 0 }, 200);
    expect(mean(plain, 2)).toBeGreaterThan(0.004);
    expect(mean(plain, 2)).toBeLessThan(0.016);
    const { counts: made, loader } = await counts({ exposure: { tumour: 0.4 } }, 200);
    expect(Math.abs(mean(made, 2) - 0.4)).toBeLessThan(0.02);
    for (let first = 0; first + 20 <= made.length; first++)
      expect(Math.abs(mean(made.slice(first, first + 20), 2) - 0.4), `from batch ${first}`).toBeLessThan(0.02);
    const { realised, target } = loader.metrics().exposure.tumour;
    expect(target).toBe(0.4);
    expect(realised).toBeCloseTo(mean(made, 2), 12);
  });

  it.each<[string, Partial<LoaderOptions>]>([
    ['together with another class', {}],
    ['of augmented patches', { augmentation: 'default' }],
    ['of 2D patches', { patchSize: [9, 9] }],
    ['of augmented 2D patches', { patchSize: [9, 9], augmentation: 'default' }],
    ['of weighted cases', { caseWeights: [1, 4, 2, 2, 1] }],
  ])('is met %s', async (_, more) => {
    const { counts: made, loader } = await counts({ exposure: { organ: 0.6, tumour: 0.25 }, ...more }, 150);
    for (const [name, label, target] of [
      ['organ', 1, 0.6],
      ['tumour', 2, 0.25],
    ] as const) {
      expect(Math.abs(mean(made, label) - target), name).toBeLessThan(0.035);
      expect(loader.metrics().exposure[name].realised).toBeCloseTo(mean(made, label), 12);
    }
  });

  it('counts regions and their masks', async () => {
    const regional = await makeStore(join(temporaryFolder(), 'regions'), {
      shapes: SHAPES,
      labels: { background: 0, whole: [1, 2], tumour: 2 },
      label,
    });
    await using loader = await PatchLoader.create({ ...options, store: regional, regions: true, exposure: { whole: 0.5, tumour: 0.2 } });
    const found = [0, 0];
    for (let i = 0; i < 100; i++) {
      using batch = await loader.next();
      const voxels = 4 * 5 * 6;
      for (let slot = 0; slot < 20; slot++)
        for (const region of [0, 1])
          if (batch.target.subarray((2 * slot + region) * voxels, (2 * slot + region + 1) * voxels).includes(1)) found[region]++;
    }
    const { whole, tumour } = loader.metrics().exposure;
    expect([whole.realised, tumour.realised]).toEqual(found.map((count) => count / 2000));
    expect(Math.abs(whole.realised - 0.5)).toBeLessThan(0.03);
    expect(Math.abs(tumour.realised - 0.2)).toBeLessThan(0.03);
  });

  it('makes one stream, for any number of workers and after a resume', async () => {
    const exposed = { ...options, exposure: { tumour: 0.4, organ: 0.5 } };
    const expected = await undisturbedHashes({ ...exposed, workers: 1 }, 12);
    expect(await undisturbedHashes({ ...exposed, exposure: { organ: 0.5, tumour: 0.4 } }, 12)).toEqual(expected);
    await using first = await PatchLoader.create(exposed);
    await streamHashes(first, 5);
    const state = JSON.parse(JSON.stringify(first.state()));
    for (const again of [{}, { exposure: { tumour: 0.4, organ: 0.5 } }]) {
      await using later = await PatchLoader.create({ store, state, workers: 2, ...again });
      expect(await streamHashes(later, 7)).toEqual(expected.slice(5));
    }
    await expect(PatchLoader.create({ store, state, exposure: { tumour: 0.3, organ: 0.5 } })).rejects.toThrow(/saved with exposure/);
  });

  it('is reported by the measurement of a loader', async () => {
    await using loader = await PatchLoader.create({ ...options, exposure: { tumour: 0.4 } });
    const { exposure } = await measureThroughput(loader, { batches: 10, hash: false });
    expect(Object.keys(exposure)).toEqual(['tumour']);
    expect(Math.abs(exposure.tumour.realised - 0.4)).toBeLessThan(0.05);
  });

  it.each<[string, object, RegExp]>([
    ['nothing', { exposure: {} }, /exposure: \{\} names no class/],
    ['a list', { exposure: [0.4] }, /exposure: \[0.4\] is not a part of patches for each class/],
    ['a fraction above 1', { exposure: { tumour: 40 } }, /exposure.tumour: 40 is not a fraction/],
    ['a fraction below 0', { exposure: { tumour: -0.1 } }, /exposure.tumour: -0.1 is not a fraction/],
    [
      'an unknown class',
      { exposure: { lesion: 0.4 } },
      /exposure.lesion: the data set has no such class. Its classes are organ, tumour, nowhere/,
    ],
    ['a class that no case has', { exposure: { nowhere: 0.4 } }, /exposure.nowhere: no case has this class/],
    [
      'a class of cases that are left out',
      { exposure: { tumour: 0.4 }, caseWeights: [0, 0, 1, 1, 1] },
      /exposure.tumour: no case that is drawn from has this class/,
    ],
    ['a class that is seen more often', { exposure: { organ: 0.02 } }, /2.0 % of organ is too little: random patches hold it in/],
    ['more than there is room for', { exposure: { organ: 0.95, tumour: 0.9 }, patchSize: [1, 1, 1] }, /takes more than all patches/],
    ['an oversampled fraction besides', { exposure: { tumour: 0.4 }, oversample: 0.5 }, /oversample: `exposure` decides/],
    [
      'probabilistic oversampling besides',
      { exposure: { tumour: 0.4 }, probabilisticOversampling: true },
      /probabilisticOversampling: `exposure` decides/,
    ],
    ['class weights besides', { exposure: { tumour: 0.4 }, classWeights: { tumour: 2 } }, /classWeights: `exposure` decides/],
  ])('refuses %s', async (_, wrong, message) => {
    const creating = PatchLoader.create({ ...options, ...wrong });
    await expect(creating).rejects.toThrow(OptionError);
    await expect(creating).rejects.toThrow(message);
  });
});
