import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FoldCases, foldOf, readFold, warnOfOverlap } from '../../src/store/splits.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { Warnings } from '../fixtures/warnings.ts';

const IDS = ['a', 'b', 'c', 'd'];

function storeWith(splits: unknown, ids = IDS): { aboutDir: string; cases: { id: string }[]; path: string } {
  const dir = temporaryFolder();
  const path = join(dir, 'splits_final.json');
  if (splits !== null) writeFileSync(path, typeof splits === 'string' ? splits : JSON.stringify(splits));
  return { aboutDir: dir, cases: ids.map((id) => ({ id })), path };
}

const SPLITS = [
  { train: ['c', 'a'], val: ['d'] },
  { train: ['d'], val: ['a', 'b', 'c'] },
];

describe('a fold', () => {
  it('names its cases, in the order of the store', async () => {
    const store = storeWith(SPLITS);
    expect(await readFold(store, 0)).toMatchObject({ fold: 0, training: [0, 2], validation: [3] });
    expect(await readFold(store, 1)).toMatchObject({ fold: 1, training: [3], validation: [0, 1, 2] });
  });

  it("'all' is every case for both, with or without a file", async () => {
    for (const splits of [SPLITS, null])
      expect(await readFold(storeWith(splits), 'all')).toMatchObject({ fold: 'all', training: [0, 1, 2, 3], validation: [0, 1, 2, 3] });
  });

  it("is one of nnU-Net's five where there is no file yet", async () => {
    const store = storeWith(null, [...IDS, 'e']);
    expect(await readFold(store, 1)).toMatchObject({ fold: 1, training: [0, 1, 2, 3], validation: [4] });
    await expect(readFold(store, 5)).rejects.toMatchObject({ action: "Its folds are 0 to 4; 'all' takes every case" });
  });

  it('has another hash for other cases alone', async () => {
    const [a, b] = await Promise.all([0, 1].map((fold) => readFold(storeWith(SPLITS), fold)));
    const reordered = await readFold(storeWith([{ train: ['a', 'c'], val: ['d'] }]), 0);
    expect(a.hash).toMatch(/^[0-9a-f]{16}$/);
    expect(a.hash).not.toBe(b.hash);
    expect(reordered.hash).toBe(a.hash);
  });

  it.each([-1, 1.5, 2, '0', 'All', null, Number.NaN])('%j is refused, with what there is', async (fold) => {
    const store = storeWith(SPLITS);
    await expect(readFold(store, fold)).rejects.toMatchObject({ name: 'OptionError', where: 'fold' });
    await expect(readFold(store, fold)).rejects.toThrow(store.path);
    await expect(readFold(store, 2)).rejects.toMatchObject({ action: "Its folds are 0 to 1; 'all' takes every case" });
  });

  it.each<[string, unknown, RegExp]>([
    ['no file and few cases', null, /there is no such file, and 4 cases are too few for five folds/],
    ['no JSON', '[', /it is not JSON/],
    ['an unknown case', [{ train: ['a', 'x'], val: ['b'] }], /it names a case "x" that is not there/],
    ['no case for validation', [{ train: ['a'], val: [] }], /"val" of fold 0 has no case/],
    ['no case for training', [{ train: [], val: ['a'] }], /"train" of fold 0 has no case/],
  ])('of %s is refused with the file and the option', async (_, splits, what) => {
    const store = storeWith(splits);
    const action = expect.stringContaining('`fold`');
    await expect(readFold(store, 0)).rejects.toMatchObject({
      name: 'DatasetError',
      where: store.path,
      what: expect.stringMatching(what),
      action,
    });
  });
});

describe('a case in training and validation', () => {
  const overlapping = [SPLITS[0], { train: ['a', 'd', 'b'], val: ['b', 'c', 'a'] }];

  it('of one fold is used, and warned of where that fold is', async () => {
    using warnings = new Warnings();
    const store = storeWith(overlapping);
    expect(await readFold(store, 1)).toMatchObject({ training: [0, 1, 3], validation: [0, 1, 2] });
    for (const fold of [1, 0, 'all']) warnOfOverlap(store, await readFold(store, fold));
    expect(await warnings.seen()).toEqual([
      'splits_final.json: 2 cases, such as a, are in training and in validation of fold 1, whose scores come out too high then',
    ]);
  });

  it('of cases that are chosen is used, and warned of', async () => {
    using warnings = new Warnings();
    const store = storeWith(null);
    const chosen = await foldOf(store, undefined, { training: ['a', 'b'], validation: ['b'] });
    warnOfOverlap(store, chosen as FoldCases);
    expect(await warnings.seen()).toEqual([
      'cases: case b is in training and in validation of this choice, whose scores come out too high then',
    ]);
  });
});
