import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { hasher } from '../../src/common/hash.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { readSidecarFile } from '../../src/store/sidecar.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { makeRawDataset, type RawCaseContent } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { readNpy } from './store-files.ts';

/** A case whose intensities change along axis 1 only, 10 + y, with zeros around `box` and one voxel of label 1. */
function ramp(
  id: string,
  shape: Triple,
  spacing: Triple,
  voxel: Triple,
  [low, high]: [Triple, Triple] = [[0, 0, 0], shape],
): RawCaseContent {
  const image: number[] = [];
  const label: number[] = [];
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++) {
        image.push([z, y, x].every((at, axis) => at >= low[axis] && at < high[axis]) ? 10 + y : 0);
        label.push(Number([z, y, x].join() === voxel.join()));
      }
    }
  }
  return { id, shape, spacing, images: [image], label };
}

/** Coarse along axis 2, the raw x: that is to be the first axis of the store. */
const CASES = [
  ramp(
    'cropped',
    [12, 10, 6],
    [1, 1, 4],
    [5, 4, 3],
    [
      [1, 2, 3],
      [11, 9, 6],
    ],
  ),
  ramp('usual', [12, 10, 6], [1, 1, 4], [1, 2, 3]),
  ramp('finer', [24, 10, 6], [0.5, 1, 4], [20, 8, 1]),
  ramp('other slices', [12, 10, 3], [1, 1, 8], [6, 5, 1]),
  ramp('usual too', [12, 10, 6], [1, 1, 4], [0, 0, 0]),
];

let fullres: string;
let flat: string;
let stores: { fullres: Store; flat: Store };

beforeAll(async () => {
  const dir = temporaryFolder();
  const raw = makeRawDataset(join(dir, 'raw'), { channels: ['noNorm'], cases: CASES });
  [fullres, flat] = [join(dir, 'fullres'), join(dir, 'flat')];
  await preprocess(raw, fullres, { workers: 2 });
  await preprocess(raw, flat, { workers: 2, config: '2d', plans: join(fullres, 'nnUNetPlans.json') });
  stores = { fullres: await openStore(fullres), flat: await openStore(flat) };
});

const checksum = await hasher();
const sidecar = (dir: string, id: string) => readSidecarFile(join(dir, `${id}.msgpack`), checksum);
const shapesOf = (store: Store) => Object.fromEntries(store.cases.map(({ id, shape }) => [id, shape]));

describe('a store of cases whose coarsest axis is the last one', () => {
  it('has that axis first, in the cases and in all that is said about them', () => {
    expect(JSON.parse(readFileSync(join(fullres, 'nnUNetPlans.json'), 'utf8'))).toMatchObject({ transpose_forward: [2, 0, 1] });
    expect(sidecar(fullres, 'cropped')).toMatchObject({
      transpose: [2, 0, 1],
      shape: [3, 10, 7],
      spacing: [4, 1, 1],
      rawSpacing: [4, 1, 1],
      shapeBeforeCrop: [6, 12, 10],
      cropBox: { lower: [3, 1, 2], upper: [6, 11, 9] },
    });
  });

  it('has the voxels of cases at the planned spacing as they are, in that order', () => {
    const { shape, data } = readNpy(fullres, 'cropped.npy');
    expect(shape).toEqual([1, 3, 10, 7]);
    // Raw y is the last axis now, and starts at 2 after cropping.
    expect(data).toEqual(Array.from({ length: 210 }, (_, i) => 12 + (i % 7)));
    // Voxel (5, 4, 3) of the raw label.
    const labels = readNpy(fullres, 'cropped_seg.npy').data;
    expect(labels.flatMap((label, i) => (label === 1 ? [i] : []))).toEqual([((3 - 3) * 10 + (5 - 1)) * 7 + (4 - 2)]);
    expect(stores.fullres.location(0, 0, 0)).toEqual([0, 4, 2]);
  });

  it('has the others resampled to it, along the axes where they differ', () => {
    expect(shapesOf(stores.fullres)).toEqual({
      cropped: [3, 10, 7],
      usual: [6, 12, 10],
      finer: [6, 12, 10],
      'other slices': [6, 12, 10],
      'usual too': [6, 12, 10],
    });
    for (const id of ['finer', 'other slices']) {
      expect(sidecar(fullres, id).spacing).toEqual([4, 1, 1]);
      // What changes along another axis only stays as it was.
      const { data } = readNpy(fullres, `${id}.npy`);
      data.forEach((value, i) => {
        expect(value).toBeCloseTo(10 + (i % 10), 4);
      });
    }
    expect(sidecar(fullres, 'finer')).toMatchObject({ rawSpacing: [4, 0.5, 1], shapeBeforeCrop: [6, 24, 10] });
    expect(sidecar(fullres, 'other slices')).toMatchObject({ rawSpacing: [8, 1, 1], shapeBeforeCrop: [3, 12, 10] });
  });

  it('has class locations on the resampled grid', () => {
    // Slices that become two: the nearest one is taken for both.
    const labels = readNpy(fullres, 'other slices_seg.npy');
    const found = labels.data.flatMap((label, i) => (label === 1 ? [i] : []));
    expect(found).toEqual([2, 3].map((slice) => (slice * 12 + 6) * 10 + 5));
    const entry = stores.fullres.cases.findIndex(({ id }) => id === 'other slices');
    expect([...stores.fullres.cases[entry].locations]).toEqual([2]);
  });

  it('says how often patches of the configurations that share its grid hold foreground', () => {
    const plans = JSON.parse(readFileSync(join(fullres, 'nnUNetPlans.json'), 'utf8'));
    const [flatPatch, patch] = ['2d', '3d_fullres'].map((name) => plans.configurations[name].patch_size);
    const patchesOf = (coverage: readonly { patch: number[] }[]) => coverage.map((found) => found.patch);
    for (const [store, patches] of [
      [stores.fullres, [[1, ...flatPatch], patch]],
      [stores.flat, [[1, ...flatPatch]]],
    ] as const) {
      expect(patchesOf(store.index.coverage)).toEqual(patches);
      for (const caseNumber of store.cases.keys()) expect(patchesOf(store.sidecar(caseNumber).coverage)).toEqual(patches);
    }
  });
});

describe('a store for a 2D configuration', () => {
  it('keeps the first axis of every case, spacing and number of slices', () => {
    expect(stores.flat.index.configuration).toBe('2d');
    expect(shapesOf(stores.flat)).toEqual({ ...shapesOf(stores.fullres), 'other slices': [3, 12, 10] });
    expect(sidecar(flat, 'other slices')).toMatchObject({ spacing: [8, 1, 1], rawSpacing: [8, 1, 1], transpose: [2, 0, 1] });
    expect(sidecar(flat, 'finer')).toMatchObject({ spacing: [4, 1, 1], rawSpacing: [4, 0.5, 1], shape: [6, 12, 10] });
  });

  it('has the same slices as the 3D one where the spacing between them is the same', () => {
    for (const id of ['cropped', 'usual', 'finer']) expect(readNpy(flat, `${id}.npy`)).toEqual(readNpy(fullres, `${id}.npy`));
  });
});
