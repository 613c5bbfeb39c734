import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { isAnnotated } from '../../src/raw/labels.ts';
import type { Store } from '../../src/store/store.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPES: Triple[] = [
  [14, 15, 16],
  [12, 16, 15],
  [13, 13, 13],
];
const IGNORE = 3;

/**
 * Annotated are planes 4 to 8 of the first two cases, the second without foreground; nothing of the third. All else is the ignore label.
 */
function label(caseNumber: number, z: number, y: number, x: number): number {
  if (caseNumber === 2 || z < 4 || z > 8) return IGNORE;
  if (caseNumber === 1 || y < 3 || y > 9) return 0;
  return x === 7 ? 2 : x > 4 && x < 11 ? 1 : 0;
}

let store: Store;
let options: LoaderOptions;

beforeAll(async () => {
  const labels = { background: 0, whole: [1, 2], core: 2, ignore: IGNORE };
  store = await makeStore(join(temporaryFolder(), 'store'), { shapes: SHAPES, labels, label });
  options = { store, patchSize: [5, 6, 7], batchSize: 9, seed: 2, workers: 2 };
});

describe('regions and an ignore label', () => {
  it('keep patches that are not forced to annotated voxels, and centre forced ones on regions', async () => {
    const annotated = store.classes.findIndex(isAnnotated);
    await using loader = await PatchLoader.create(options);
    const chosen = new Map<string, number>();
    for (let i = 0; i < 60; i++) {
      using batch = await loader.next();
      for (const { caseNumber, forced, classNumber, voxel } of batch.plans) {
        const key = `${caseNumber} ${forced ? 'forced' : 'random'} ${classNumber}`;
        chosen.set(key, (chosen.get(key) ?? 0) + 1);
        if (voxel === null) expect(caseNumber).toBe(2);
        else if (classNumber === annotated) expect(label(caseNumber, ...voxel)).not.toBe(IGNORE);
        else expect(store.classes[classNumber as number].labels).toContain(label(caseNumber, ...voxel));
      }
    }
    expect([...chosen.keys()].sort()).toEqual([
      '0 forced 0',
      '0 forced 1',
      `0 random ${annotated}`,
      // Without foreground, what is annotated is the next best; without that, anywhere.
      `1 forced ${annotated}`,
      `1 random ${annotated}`,
      '2 forced null',
      '2 random null',
    ]);
    // Uniform over regions, though one has few voxels.
    const [whole, core] = [chosen.get('0 forced 0') as number, chosen.get('0 forced 1') as number];
    expect(Math.abs(whole - core)).toBeLessThan(5 * Math.sqrt(whole + core));
  });

  it.each<[string, Partial<LoaderOptions>]>([
    ['stored', { augmentation: 'none', regions: true }],
    ['validation', { augmentation: 'validation' }],
  ])('give masks of the regions, the ignore label last: %s', async (_, more) => {
    await using loader = await PatchLoader.create({ ...options, ...more, deepSupervision: [[1, 1, 1], [0.5, 0.5, 0.5]] }); // biome-ignore format: scales
    for (let i = 0; i < 10; i++) {
      using batch = await loader.next();
      expect(batch.targetShapes).toEqual([[9, 3, 5, 6, 7], [9, 3, 2, 3, 4]]); // biome-ignore format: shapes
      batch.plans.forEach(({ caseNumber, crop: { lower } }, slot) => {
        for (let voxel = 0; voxel < 210; voxel++) {
          const [z, y, x] = [Math.floor(voxel / 42) + lower[0], (Math.floor(voxel / 7) % 6) + lower[1], (voxel % 7) + lower[2]];
          const [depth, height, width] = SHAPES[caseNumber];
          const inside = z >= 0 && z < depth && y >= 0 && y < height && x >= 0 && x < width;
          const value = inside ? label(caseNumber, z, y, x) : 0;
          const masks = [0, 1, 2].map((region) => batch.target[(slot * 3 + region) * 210 + voxel]);
          expect(masks).toEqual([Number(value === 1 || value === 2), Number(value === 2), Number(value === IGNORE)]);
        }
      });
    }
  });

  it('leave the labels as they are without regions, the ignore label among them', async () => {
    await using loader = await PatchLoader.create({ ...options, augmentation: 'default', regions: false });
    const found = new Set<number>();
    for (let i = 0; i < 30; i++) {
      using batch = await loader.next();
      expect(batch.targetShape).toEqual([9, 1, 5, 6, 7]);
      for (const value of batch.target) found.add(value);
    }
    expect([...found].sort()).toEqual([0, 1, 2, IGNORE]);
  });
});
