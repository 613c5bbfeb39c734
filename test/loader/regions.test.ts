import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { LoaderState } from '../../src/loader/options/state.ts';
import { replay } from '../../src/loader/replay.ts';
import { isAnnotated } from '../../src/raw/labels.ts';
import type { TargetArray } from '../../src/shared-memory/target-array.ts';
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
  const [first, second, third] = store.cases.map(({ id }) => id);
  writeFileSync(join(store.dir, 'splits_final.json'), JSON.stringify([{ train: [first, second], val: [first, third] }]));
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

  const scales = [[1, 1, 1], [0.5, 0.5, 0.5]]; // biome-ignore format: scales
  const masked: Partial<LoaderOptions> = { augmentation: 'default', deepSupervision: scales, fold: 0, validation: true };

  /** The masks of the first batches of both streams. */
  async function masksOf(loader: PatchLoader, batches: number): Promise<TargetArray[][]> {
    const masks: TargetArray[][] = [];
    for (let i = 0; i < batches; i++) {
      for (const stream of [loader.training, loader.validation]) {
        using batch = await stream.next();
        masks.push(batch.targets.map((target) => target.slice()));
      }
    }
    return masks;
  }

  it('have the same masks in bytes, in both streams and at every scale, also where they are resumed', async () => {
    await using words = await PatchLoader.create({ ...options, ...masked });
    await using bytes = await PatchLoader.create({ ...options, ...masked, targetType: 'bool' });
    const [expected, made] = [await masksOf(words, 6), await masksOf(bytes, 4)];
    const state = JSON.parse(JSON.stringify(bytes.state()));
    await using resumed = await PatchLoader.create({ store, state, workers: 1 });
    made.push(...(await masksOf(resumed, 2)));
    expect(made.flat().every((target) => target instanceof Uint8Array)).toBe(true);
    expect(expected.flat().every((target) => target instanceof Int16Array)).toBe(true);
    expect(made).toEqual(expected.map((targets) => targets.map((target) => Uint8Array.from(target))));
    // Every region is seen, and something beside it.
    const count = 210;
    for (const region of [0, 1, 2]) {
      const voxels = expected.flatMap(([target]) => [...target].filter((_, i) => Math.floor(i / count) % 3 === region));
      expect(new Set(voxels)).toEqual(new Set([0, 1]));
    }
  });

  it('can be mixed with other batches that are labels, and are replayed', async () => {
    const configs = [
      { patchSize: [5, 6, 7], batchSize: 2, regions: true, targetType: 'bool' as const },
      { patchSize: [6, 7], batchSize: 3 },
    ];
    const mixed: LoaderOptions = { store, seed: 4, workers: 1, configs };
    await using loader = await PatchLoader.create(mixed);
    using masks = await loader.next();
    using labels = await loader.next();
    expect([masks, labels].map(({ target, targetShape }) => [target.constructor, targetShape])).toEqual([
      [Uint8Array, [2, 3, 5, 6, 7]],
      [Int16Array, [3, 1, 6, 7]],
    ]);
    const { after } = await replay(mixed, 1, { config: masks.config });
    expect(after.targets).toEqual([masks.target.slice(630)]);
  });

  it('refuse bool for labels, and say of which configuration', async () => {
    const { patchSize, batchSize, ...common } = options;
    const bool = { targetType: 'bool' } as const;
    const refused: [LoaderOptions, string][] = [
      [{ ...options, ...bool }, 'targetType'],
      [{ ...options, ...bool, augmentation: 'default', regions: false }, 'targetType'],
      [{ ...common, ...bool, configs: [{ patchSize: [5, 6], batchSize: 2 }] }, 'configs[0].targetType'],
    ];
    for (const [given, where] of refused)
      await expect(PatchLoader.create(given)).rejects.toMatchObject({
        code: 'VOXFEED_BAD_OPTION',
        where,
        what: 'targets are labels here, and only masks are bool',
      });
  });

  it('stay int16 where a state says so, or is older than the option', async () => {
    await using loader = await PatchLoader.create({ ...options, augmentation: 'default' });
    const { targetType, ...older } = loader.state();
    expect(targetType).toBe('int16');
    for (const state of [loader.state(), older as LoaderState]) {
      await using resumed = await PatchLoader.create({ store, state, workers: 1 });
      using batch = await resumed.next();
      expect(batch.target).toBeInstanceOf(Int16Array);
      await expect(PatchLoader.create({ store, state, targetType: 'bool' })).rejects.toThrow(
        'it was saved with targetType "int16", the options say "bool"',
      );
    }
  });
});
