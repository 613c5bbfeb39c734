import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { fiveFolds, readSplits } from '../../src/store/splits.ts';
import { writePlans } from '../fixtures/plans.ts';
import { imagePath, labelPath, makeRawDataset, randomCase, writeCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const idsOf = (count: number) => Array.from({ length: count }, (_, i) => `case_${String(i).padStart(3, '0')}`);

/** What scikit-learn's KFold(5, shuffle=True, random_state=12345) takes for validation. */
const FOLDS: Record<number, number[][]> = {
  5: [[0], [4], [3], [1], [2]],
  6: [[3, 5], [4], [0], [1], [2]],
  7: [[3, 6], [0, 4], [1], [5], [2]],
  9: [[0, 3], [6, 8], [1, 4], [5, 7], [2]],
  10: [
    [0, 7],
    [3, 9],
    [4, 6],
    [1, 8],
    [2, 5],
  ],
  13: [
    [0, 7, 9],
    [3, 6, 10],
    [8, 11, 12],
    [1, 4],
    [2, 5],
  ],
  23: [
    [3, 8, 10, 17, 19],
    [0, 7, 12, 15, 16],
    [6, 11, 14, 18, 20],
    [9, 13, 21, 22],
    [1, 2, 4, 5],
  ],
};

describe('five folds', () => {
  it.each(Object.entries(FOLDS))('of %s cases are those of scikit-learn', (count, validation) => {
    const ids = idsOf(Number(count));
    const folds = fiveFolds(ids);
    expect(folds.map(({ val }) => val)).toEqual(validation.map((fold) => fold.map((i) => ids[i])));
    for (const { train, val } of folds) expect(train).toEqual(ids.filter((id) => !val.includes(id)));
  });

  it('are none of fewer than five cases', () => {
    for (const count of [0, 1, 4]) expect(fiveFolds(idsOf(count))).toEqual([]);
  });
});

describe('the splits that come with a data set', () => {
  const ids = idsOf(3);
  const path = (dir: string) => join(dir, 'splits_final.json');
  const given = (text: string) => {
    const dir = temporaryFolder();
    writeFileSync(path(dir), text);
    return dir;
  };

  it('are read as they are, any number of folds of any cases', async () => {
    const splits = [{ train: [ids[2], ids[0]], val: [ids[1]] }];
    expect(await readSplits(given(JSON.stringify(splits)), ids)).toEqual(splits);
    expect(await readSplits(temporaryFolder(), ids)).toBeNull();
  });

  it.each<[string, string]>([
    ['it is not JSON', '[{"train": '],
    ['{"train":[],"val":[]} is no list', '{"train": [], "val": []}'],
    ['[0].val: it is missing', '[{"train": []}]'],
    ['[0].train: "all" is no list', '[{"train": "all", "val": []}]'],
    ['[0].train[0]: 1 is not the id of a case', '[{"train": [1], "val": [2]}]'],
    ['[0]: null is no object', '[null]'],
    ['null is no list', 'null'],
    ['', '[]'],
    ['it names a case "case_9" that is not there', '[{"train": ["case_000"], "val": ["case_9"]}]'],
  ])('are refused where %s: %s', async (what, text) => {
    const dir = given(text);
    await expect(readSplits(dir, ids)).rejects.toMatchObject({
      name: 'DatasetError',
      where: path(dir),
      what: expect.stringContaining(what),
      action: expect.stringMatching(/Correct it, or remove it/),
    });
  });

  it('are refused where the file is a folder', async () => {
    const dir = temporaryFolder();
    mkdirSync(path(dir));
    await expect(readSplits(dir, ids)).rejects.toMatchObject({ name: 'FileError', where: path(dir) });
  });
});

describe('the splits of a store', () => {
  function prepare(count: number) {
    const dir = temporaryFolder();
    const ids = idsOf(count);
    const raw = makeRawDataset(join(dir, 'raw'), { cases: ids.map((id, i) => randomCase(id, [4, 4, 4], { seed: i, sparse: true })) });
    const [out, plans] = [join(dir, 'store'), writePlans(join(dir, 'plans.json'))];
    const splitsIn = (folder: string) => JSON.parse(readFileSync(join(folder, 'splits_final.json'), 'utf8'));
    return { raw, out, ids, splitsIn, run: () => preprocess(raw, out, { plans, workers: 1 }) };
  }

  it('are five folds where nothing else is said', async () => {
    const { out, ids, splitsIn, run } = prepare(6);
    expect((await run()).notes).toEqual([]);
    expect(splitsIn(out)).toEqual(fiveFolds(ids));
  });

  it('are those of the data set where it has some, with a note about cases in none of them', async () => {
    const { raw, out, ids, splitsIn, run } = prepare(6);
    const splits = [{ train: ids.slice(2, 5), val: [ids[0]] }];
    writeFileSync(join(raw, 'splits_final.json'), JSON.stringify(splits));
    expect((await run()).notes).toEqual([expect.stringMatching(/^2 cases, such as case_001, are in no fold/)]);
    expect(splitsIn(out)).toEqual(splits);
  });

  it('get a note where a case is in both parts of a fold', async () => {
    const { raw, out, ids, splitsIn, run } = prepare(3);
    const splits = [{ train: ids, val: [ids[1]] }];
    writeFileSync(join(raw, 'splits_final.json'), JSON.stringify(splits));
    expect((await run()).notes).toEqual([
      'splits_final.json: case case_001 is in training and in validation of fold 0, whose scores come out too high then',
    ]);
    expect(splitsIn(out)).toEqual(splits);
  });

  it('are those of the data set for fewer than five cases, too', async () => {
    const { raw, out, ids, splitsIn, run } = prepare(2);
    expect((await run()).notes).toEqual([expect.stringContaining('2 cases are too few for five folds')]);
    writeFileSync(join(raw, 'splits_final.json'), JSON.stringify([{ train: [ids[0]], val: [ids[1]] }]));
    expect((await run()).notes).toEqual([]);
    expect(splitsIn(out)).toEqual([{ train: [ids[0]], val: [ids[1]] }]);
  });

  it('stay what a user made of them', async () => {
    const { out, ids, splitsIn, run } = prepare(5);
    await run();
    const mine = [{ train: ids.slice(1), val: [ids[0]] }];
    writeFileSync(join(out, 'splits_final.json'), JSON.stringify(mine));
    expect(await run()).toMatchObject({ written: 0 });
    expect(splitsIn(out)).toEqual(mine);
  });

  it('get a note about a case that came later', async () => {
    const { raw, out, ids, splitsIn, run } = prepare(5);
    await run();
    writeCase(raw, randomCase('later', [4, 4, 4], { sparse: true }));
    const { notes } = await run();
    expect(notes).toContainEqual(expect.stringMatching(/^1 cases, such as later, are in no fold/));
    expect(splitsIn(out)).toEqual(fiveFolds(ids));
  });

  it('that name a case that has gone are refused with their file, before any case is written', async () => {
    const { raw, out, ids, run } = prepare(6);
    await run();
    rmSync(imagePath(raw, ids[2]));
    rmSync(labelPath(raw, ids[2]));
    const refused = { name: 'DatasetError', where: join(out, 'splits_final.json'), what: expect.stringContaining(ids[2]) };
    await expect(run()).rejects.toMatchObject(refused);
    writeCase(raw, randomCase('later', [4, 4, 4], { sparse: true }));
    await expect(run()).rejects.toMatchObject(refused);
    expect(() => readFileSync(join(out, 'later.npy'))).toThrow('ENOENT');
  });
});
