import { cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Draws } from '../../../src/common/random.ts';
import { NumpyArray } from '../../../src/formats/pickle/numpy-array.ts';
import { readPickle } from '../../../src/formats/pickle/read-pickle.ts';
import { encodePickle } from '../../../src/formats/pickle/write-pickle.ts';
import type { ArrayFormat } from '../../../src/store/file-names.ts';
import { verifyStore } from '../../../src/store/verify.ts';
import { IDENTIFIER, nnunetFolderOf } from '../../fixtures/nnunet-folder.ts';
import { makeStore } from '../../fixtures/store.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const FORMATS: ArrayFormat[] = ['npy', 'npz', 'b2nd'];
const FILES: Record<string, string[]> = { npy: ['.npy', '_seg.npy', '.pkl'], npz: ['.npz', '.pkl'], b2nd: ['.b2nd', '_seg.b2nd', '.pkl'] };

let given: Record<string, string>;

beforeAll(async () => {
  const dir = temporaryFolder();
  const shapes: [number, number, number][] = [
    [6, 9, 11],
    [5, 8, 10],
  ];
  const store = await makeStore(join(dir, 'store'), { shapes });
  given = Object.fromEntries(FORMATS.map((format) => [format, nnunetFolderOf(store, join(dir, format), format)]));
});

/** A copy of nnU-Net's folder, and what verifying it finds. */
function copy(format: ArrayFormat) {
  const above = temporaryFolder();
  cpSync(dirname(given[format]), above, { recursive: true });
  const dir = join(above, IDENTIFIER);
  return { above, dir, path: (name: string) => join(dir, name), cache: join(above, 'voxfeed_cache'), verify: () => verifyStore(dir) };
}

describe.each(FORMATS)("nnU-Net's folder of .%s files", (format) => {
  const endings = FILES[format];

  it('is whole, and from then on known', async () => {
    const { verify } = copy(format);
    const files = 2 * endings.length;
    expect(await verify()).toMatchObject({ cases: 2, files, damaged: [], unknown: files });
    expect(await verify()).toMatchObject({ cases: 2, files, damaged: [], unknown: 0 });
  });

  it.each(endings)('has %s named where it is cut off, before anything is known of it', async (ending) => {
    const { path, verify } = copy(format);
    const file = path(`case_000${ending}`);
    truncateSync(file, readFileSync(file).length - 1);
    const { damaged } = await verify();
    expect(new Set(damaged.map(({ path }) => path))).toEqual(new Set([file]));
    // What is damaged now is not taken for right later.
    expect((await verify()).damaged).toEqual(damaged);
  });

  it('has every flipped bit noticed once it was verified', async () => {
    const { path, verify } = copy(format);
    await verify();
    const draws = new Draws(7, 0, 0);
    for (let round = 0; round < 40; round++) {
      const file = path(`case_00${round % 2}${endings[round % endings.length]}`);
      const before = readFileSync(file);
      const flipped = Buffer.from(before);
      flipped[Math.floor(draws.uniform() * before.length)] ^= 1 << Math.floor(draws.uniform() * 8);
      writeFileSync(file, flipped);
      const { damaged } = await verify();
      expect(damaged.map(({ path }) => path)).toContain(file);
      writeFileSync(file, before);
    }
    expect((await verify()).damaged).toEqual([]);
  });
});

describe('what does not agree', () => {
  const relocate = (path: string, rows: number[]): void => {
    const properties = readPickle(path, readFileSync(path)) as Map<string, Map<unknown, unknown>>;
    properties.get('class_locations')?.set(1, new NumpyArray('i8', [rows.length / 4, 4], Float64Array.from(rows)));
    writeFileSync(path, Buffer.concat(encodePickle(properties)));
  };

  it('is a class location with another label', async () => {
    const { path, verify } = copy('npy');
    relocate(path('case_000.pkl'), [0, 0, 0, 0]);
    expect((await verify()).damaged).toEqual([
      { path: path('case_000.pkl'), what: '"class_locations" of 1 has voxel [0, 0, 0] (z, y, x), whose label is 0' },
    ]);
  });

  it('is a label that dataset.json does not name, and a voxel that is no number', async () => {
    const { path, verify } = copy('npy');
    const [image, labels] = ['case_000.npy', 'case_000_seg.npy'].map((name) => readFileSync(path(name)));
    image.writeFloatLE(Number.NaN, image.length - 4);
    labels.writeInt16LE(9, labels.length - 2);
    writeFileSync(path('case_000.npy'), image);
    writeFileSync(path('case_000_seg.npy'), labels);
    expect((await verify()).damaged).toEqual([
      { path: path('case_000.npy'), what: 'voxel [5, 8, 10] (z, y, x) is NaN' },
      { path: path('case_000_seg.npy'), what: 'voxel [5, 8, 10] (z, y, x) has the label 9, which dataset.json does not name' },
    ]);
  });

  it('is nothing where checksums cannot be kept: every file is unknown each time', async () => {
    const { cache, verify } = copy('npz');
    writeFileSync(cache, '');
    for (const _ of [1, 2]) expect(await verify()).toMatchObject({ damaged: [], unknown: 4 });
  });

  it('is not asked of a damaged list of checksums', async () => {
    const { cache, path, verify } = copy('npz');
    await verify();
    const list = join(cache, IDENTIFIER, 'checksums.json');
    expect(existsSync(list)).toBe(true);
    writeFileSync(list, readFileSync(list, 'utf8').replace(/[0-9a-f]{16}/, '0000000000000000'));
    expect(await verify()).toMatchObject({ damaged: [], unknown: 4 });
    rmSync(path('case_000.npz'));
    await expect(verify()).rejects.toMatchObject({ what: 'the file is missing' });
  });
});
