import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LOCK_FILE } from '../../src/common/folder-lock.ts';
import type { DatasetFingerprint } from '../../src/planning/fingerprint.ts';
import { type FingerprintOptions, fingerprint } from '../../src/preprocessing/fingerprint-dataset.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { killInWrite } from '../fixtures/kill.ts';
import { imagePath, labelPath, makeRawDataset, randomCase, writeCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { smallDataset } from './fingerprinted.ts';
import { fileNames, identities } from './store-files.ts';

describe('the fingerprint of a data set', () => {
  let found: DatasetFingerprint;
  let raw: string;

  beforeAll(async () => {
    raw = makeRawDataset(join(temporaryFolder(), 'raw'), smallDataset());
    found = await fingerprint(raw, { workers: 1 });
  });

  it("is what nnU-Net's own extractor finds", () => {
    const emptyShape = (i: number) => [i % 2 === 1 ? 1 : 2, 3, 2 + (i % 3)];
    // By name: empty0, empty1, empty10 to empty16, empty2 to empty9.
    const order = [0, 1, 10, 11, 12, 13, 14, 15, 16, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(found.shapes_after_crop).toEqual([...order.map(emptyShape), [8, 11, 15], [7, 14, 11], [9, 10, 15]]);
    expect(found.spacings).toEqual([...new Array(18).fill([2, 1, 0.75]), [2.5, 0.5, 0.75], [1.5, 1, 1.25]]);
    // nnunetv2 2.8.1 on the same files.
    expect(found.median_relative_size_after_cropping).toBe(0.683446455505279);
    expect(found.foreground_intensity_properties_per_channel).toEqual({
      0: {
        max: 60,
        mean: 30.127203533333333,
        median: 30,
        min: 1,
        percentile_00_5: 1,
        percentile_99_5: 60,
        std: expect.closeTo(16.933478606824238, 9),
      },
      1: {
        max: 156.125,
        mean: expect.closeTo(29.615773945833332, 9),
        median: 29.3125,
        min: -93.1875,
        percentile_00_5: -92.5,
        percentile_99_5: 154.5625,
        std: expect.closeTo(72.78878469357188, 9),
      },
    });
  });

  it('is the same whatever the number of workers', async () => {
    expect(await fingerprint(raw, { workers: 3 })).toEqual(found);
  });

  it('is the same out of the files of an earlier run', async () => {
    const outDir = join(temporaryFolder(), 'out');
    expect(await fingerprint(raw, { workers: 2, outDir })).toEqual(found);
    const kept: number[] = [];
    expect(await fingerprint(raw, { workers: 2, outDir, onProgress: (progress) => kept.push(progress.kept) })).toEqual(found);
    expect(kept).toEqual([20]);
    expect(fileNames(outDir)).toHaveLength(20);
  });
});

describe('a fingerprint that was interrupted', () => {
  const IDS = ['a', 'b', 'c', 'd'];

  async function finished() {
    const dir = temporaryFolder();
    const raw = makeRawDataset(join(dir, 'raw'), { cases: IDS.map((id, i) => randomCase(id, [5, 6, 7], { seed: i, sparse: true })) });
    const outDir = join(dir, 'out');
    const run = async (options: FingerprintOptions = {}) => {
      const counts: number[] = [];
      const result = await fingerprint(raw, { workers: 1, outDir, onProgress: ({ kept, done }) => counts.push(kept, done), ...options });
      return { result, kept: counts[0], done: counts.at(-1) };
    };
    const { result } = await run();
    const cached = (id: string) => join(outDir, 'fingerprint_cache', `${id}.msgpack`);
    return { dir, raw, outDir, run, result, cached };
  }

  it('reads just the cases that are missing or damaged', async () => {
    const { outDir, run, result, cached } = await finished();
    const before = identities(outDir);
    rmSync(cached('a'));
    writeFileSync(cached('c'), readFileSync(cached('c')).subarray(0, 50));
    expect(await run()).toEqual({ result, kept: 2, done: 4 });
    const after = identities(outDir);
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual(
      ['a', 'c'].map((id) => join('fingerprint_cache', `${id}.msgpack`)),
    );
    for (const bytes of ['', 'not a fingerprint']) {
      writeFileSync(cached('b'), bytes);
      expect(await run()).toEqual({ result, kept: 3, done: 4 });
    }
  });

  it('reads a case again of which a bit flipped: plans that follow from it would look like any others', async () => {
    const { run, result, cached } = await finished();
    const bytes = readFileSync(cached('b'));
    for (const at of [40, bytes.length >> 1, bytes.length - 2]) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1;
      writeFileSync(cached('b'), damaged);
      expect(await run()).toEqual({ result, kept: 3, done: 4 });
    }
  });

  it('reads a case again of which a file changed', async () => {
    const { raw, run, result } = await finished();
    utimesSync(labelPath(raw, 'b'), 1_800_000_000, 1_800_000_000);
    expect(await run()).toEqual({ result, kept: 3, done: 4 });
    writeCase(raw, randomCase('d', [9, 9, 9], { seed: 8, sparse: true }));
    const { result: changed, kept } = await run();
    expect(kept).toBe(3);
    expect(changed.shapes_after_crop).toEqual([...result.shapes_after_crop.slice(0, 3), [9, 9, 9]]);
  });

  it('reads a case again that is another one under the same name', async () => {
    const { raw, run } = await finished();
    const { mtime, size } = statSync(imagePath(raw, 'b'));
    writeFileSync(imagePath(raw, 'b'), readFileSync(imagePath(raw, 'a')));
    utimesSync(imagePath(raw, 'b'), mtime, mtime);
    expect(statSync(imagePath(raw, 'b')).size === size).toBe(false);
    expect((await run()).kept).toBe(3);
  });

  it('reads all cases again where each has another share of the draws, or labels mean something else', async () => {
    const { raw, run } = await finished();
    writeCase(raw, randomCase('e', [5, 6, 7], { seed: 9, sparse: true }));
    expect(await run()).toMatchObject({ kept: 0, done: 5 });
    expect(await run()).toMatchObject({ kept: 5, done: 5 });
    makeRawDataset(raw, { cases: [], labels: { background: 0, organ: 1, ignore: 2 }, datasetJson: { numTraining: 5 } });
    expect(await run()).toMatchObject({ kept: 0, done: 5 });
  });

  it('by the end of its process goes on where it stopped', async () => {
    const { dir, raw, result } = await finished();
    const outDir = join(dir, 'killed');
    // A worker makes one write for each case.
    killInWrite(['plan', raw, '--out', outDir, '--workers', '1'], 2, 'worker');
    const partial = expect.stringMatching(/c\.msgpack\.\d+-\w+\.voxfeed-partial$/);
    const whole = ['a.msgpack', 'b.msgpack'].map((name) => join('fingerprint_cache', name));
    // The fourth case may have begun as well.
    expect(fileNames(outDir)).toEqual(expect.arrayContaining([LOCK_FILE, ...whole, partial]));
    const kept: number[] = [];
    const { fingerprint: found } = await planDataset(raw, { workers: 1, outDir, onProgress: (progress) => kept.push(progress.kept) });
    expect(found).toEqual(result);
    expect(kept[0]).toBe(2);
    expect(fileNames(outDir).filter((name) => name.endsWith('.voxfeed-partial'))).toEqual([]);
  });

  it('leaves nothing where no folder is given, and names the folder that it cannot write to', async () => {
    const { dir, raw, run, result } = await finished();
    const before = fileNames(dir);
    expect(await fingerprint(raw, { workers: 1 })).toEqual(result);
    expect(fileNames(dir)).toEqual(before);
    mkdirSync(join(dir, 'taken'));
    writeFileSync(join(dir, 'taken', 'fingerprint_cache'), 'a file');
    await expect(run({ outDir: join(dir, 'taken') })).rejects.toMatchObject({
      name: 'FileError',
      where: join(dir, 'taken', 'fingerprint_cache'),
    });
  });
});
