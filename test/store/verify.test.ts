import { cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasher } from '../../src/common/hash.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import type { VerifyReport } from '../../src/store/damage.ts';
import { encodeSidecar, readSidecarFile } from '../../src/store/sidecar.ts';
import type { StoreIndex } from '../../src/store/store-index.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents } from '../preprocessing/store-files.ts';

const IDS = ['a', 'b', 'c', 'd', 'e'];
const PARTS = IDS.flatMap((id) => [`${id}.npy`, `${id}_seg.npy`, `${id}.msgpack`]);
/** What the index lists besides the cases. */
const BESIDE = ['dataset.json', 'dataset_fingerprint.json', 'nnUNetPlans.json', 'splits_final.json', 'voxfeed.counts'];

let raw: string;
let whole: string;

beforeAll(async () => {
  const dir = temporaryFolder();
  raw = makeRawDataset(join(dir, 'raw'), { cases: IDS.map((id, i) => randomCase(id, [5, 6, 7], { seed: i, sparse: true })) });
  whole = join(dir, 'store');
  await preprocess(raw, whole, { workers: 2 });
});

/** A copy of the store, and what verifying it finds: the names of damaged files and what is said of them. */
function copy() {
  const dir = join(temporaryFolder(), 'store');
  cpSync(whole, dir, { recursive: true });
  return {
    dir,
    path: (name: string) => join(dir, name),
    verify: async () => {
      const { damaged, ...report } = await verifyStore(dir);
      return { ...report, found: damaged.map(({ path, what }) => [path, what]) };
    },
  };
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] ^= 1;
  writeFileSync(path, bytes);
}

describe('a store that is whole', () => {
  it('has no damaged file, and none is changed by looking', async () => {
    const before = contents(whole);
    const seen: number[][] = [];
    const report: VerifyReport = await verifyStore(whole, (done, total) => seen.push([done, total]));
    expect(report).toEqual({ dir: whole, cases: 5, files: 1 + 5 + 15, damaged: [] });
    expect(seen).toEqual([0, 1, 2, 3, 4, 5].map((done) => [done, 5]));
    expect(contents(whole)).toEqual(before);
  });

  it('may hold files besides those that are listed', async () => {
    const { path, verify } = copy();
    writeFileSync(path('notes.txt'), 'mine');
    expect((await verify()).found).toEqual([]);
  });
});

describe('splits_final.json', () => {
  const folds = (...splits: [string[], string[]][]) => JSON.stringify(splits.map(([train, val]) => ({ train, val })));

  it.each([
    ['other folds', folds([['a', 'b'], ['c']]), 'it was edited, and can be used'],
    [
      'a case in both parts',
      folds(
        [['a', 'b'], ['c']],
        [
          ['a', 'b'],
          ['b', 'e'],
        ],
      ),
      'it was edited: case b is in training and in validation of fold 1, whose scores come out too high then',
    ],
  ])("is the user's: with %s it is told of, and is not damaged", async (_, text, what) => {
    const { dir, path } = copy();
    writeFileSync(path('splits_final.json'), text);
    const { damaged, edited } = await verifyStore(dir);
    expect({ damaged, edited }).toEqual({ damaged: [], edited: [{ path: path('splits_final.json'), what }] });
  });

  it('is damaged where no fold can be made of it', async () => {
    const { path, verify } = copy();
    writeFileSync(path('splits_final.json'), folds([['a', 'x'], ['c']]));
    expect((await verify()).found).toEqual([
      [path('splits_final.json'), 'it was edited, and cannot be used: it names a case "x" that is not there'],
    ]);
  });
});

describe('a store in which one file', () => {
  it.each([...PARTS, ...BESIDE])('%s is missing, cut off, longer or changed has just that one named', async (name) => {
    const { path, verify } = copy();
    const file = path(name);
    const before = readFileSync(file);
    const size = before.length;
    const sidecar = name.endsWith('.msgpack');
    // Of the user's, who may edit it.
    const splits = name === 'splits_final.json';
    const look = async (what: RegExp | string) => {
      expect((await verify()).found).toEqual([[file, typeof what === 'string' ? what : expect.stringMatching(what)]]);
      writeFileSync(file, before);
    };

    rmSync(file);
    await look('the file is missing');
    truncateSync(file, size - 1);
    // The last byte is the end of a line, which folds can do without.
    if (!splits) await look(sidecar ? /damaged/ : `it holds ${size - 1} bytes instead of ${size}`);
    truncateSync(file, 0);
    await look(splits ? /not JSON/ : sidecar ? /damaged/ : `it holds 0 bytes instead of ${size}`);
    writeFileSync(file, Buffer.concat([before, Buffer.from(' ')]));
    if (!splits) await look(sidecar ? /damaged/ : `it holds ${size + 1} bytes instead of ${size}`);
    writeFileSync(file, before);
    // The first and the last byte, and some between.
    for (const at of [0, size >> 2, size >> 1, size - 1]) {
      flip(file, at);
      if (splits) await look(/it was edited, and cannot be used/);
      else await look(sidecar ? /damaged|checksum|not the one|version/ : 'its contents are not what was written');
    }
  });

  it('is the index that is cut off or missing is no store', async () => {
    const { dir, path, verify } = copy();
    truncateSync(path('voxfeed.json'), statSync(path('voxfeed.json')).size >> 1);
    await expect(verify()).rejects.toMatchObject({
      name: 'StoreError',
      where: path('voxfeed.json'),
      what: expect.stringContaining('not JSON'),
    });
    rmSync(path('voxfeed.json'));
    await expect(verify()).rejects.toMatchObject({ name: 'StoreError', where: dir, what: expect.stringContaining('no voxfeed.json') });
  });

  it('is the sidecar of another case has it named', async () => {
    const { path, verify } = copy();
    writeFileSync(path('b.msgpack'), readFileSync(path('a.msgpack')));
    expect((await verify()).found).toEqual([[path('b.msgpack'), expect.stringContaining('not the one that voxfeed.json lists')]]);
  });

  it('is the sidecar of another run, with other class locations, has it named', async () => {
    const { path, verify } = copy();
    const checksum = await hasher();
    const sidecar = readSidecarFile(path('b.msgpack'), checksum);
    const [first, ...others] = sidecar.classes;
    const changed = { ...sidecar, classes: [{ ...first, locations: Uint32Array.of(3) }, ...others] };
    expect([...first.locations]).not.toEqual([3]);
    writeFileSync(path('b.msgpack'), encodeSidecar(changed, checksum));
    expect((await verify()).found).toEqual([[path('b.msgpack'), expect.stringContaining('not the one that voxfeed.json lists')]]);
  });

  it('is the image of another case has it named', async () => {
    const { path, verify } = copy();
    writeFileSync(path('d.npy'), readFileSync(path('a.npy')));
    expect((await verify()).found).toEqual([[path('d.npy'), 'its contents are not what was written']]);
  });
});

describe('an index that is damaged', () => {
  it('is found wherever a bit of it flipped, as a damaged file or as no store at all', async () => {
    const { path, verify } = copy();
    const index = path('voxfeed.json');
    const before = readFileSync(index);
    const wrong: string[] = [];
    // Every seventh byte: all kinds of places, and other ones in each of the lines that are alike.
    for (let at = 0; at < before.length; at += 7) {
      const bytes = Buffer.from(before);
      bytes[at] ^= 1 << (at & 7);
      writeFileSync(index, bytes);
      const outcome = await verify().then(
        ({ found }) => (found.some(([file]) => file === index) ? 'found' : 'not found'),
        (error) => (error.name === 'StoreError' ? 'found' : `${error}`),
      );
      if (outcome !== 'found') wrong.push(`${before.toString('utf8', at - 10, at + 10)}: ${outcome}`);
    }
    expect(wrong).toEqual([]);
  });

  it('is found whichever of its fields is missing', async () => {
    const { path, verify } = copy();
    const index: StoreIndex = JSON.parse(readFileSync(path('voxfeed.json'), 'utf8'));
    for (const key of Object.keys(index)) {
      writeFileSync(path('voxfeed.json'), JSON.stringify({ ...index, [key]: undefined }));
      const outcome = await verify().then(
        ({ found }) => found[0],
        (error) => [error.where, error.name],
      );
      expect(outcome, key).toEqual([path('voxfeed.json'), expect.stringMatching(/checksum|StoreError/)]);
    }
  });
});

describe('a store with several damaged files', () => {
  it('has all of them named, and is whole once they are removed and written again', async () => {
    const { dir, path, verify } = copy();
    const damaged = ['nnUNetPlans.json', 'b.npy', 'b_seg.npy', 'd.msgpack'];
    flip(path('nnUNetPlans.json'), 40);
    flip(path('b.npy'), 200);
    rmSync(path('b_seg.npy'));
    flip(path('d.msgpack'), 100);
    expect((await verify()).found.map(([file]) => file)).toEqual(damaged.map((name) => path(name)));
    for (const name of damaged) rmSync(path(name), { force: true });
    await preprocess(raw, dir, { workers: 1, plans: join(whole, 'nnUNetPlans.json') });
    expect((await verify()).found).toEqual([]);
    expect(contents(dir)).toEqual(contents(whole));
  });
});
