import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { killInWrite } from '../fixtures/kill.ts';
import { imagePath, labelPath, makeRawDataset, randomCase, writeCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames, identities, readNpy } from './store-files.ts';

const WORKERS = { workers: 1 };

function prepare(channels = ['MRI']) {
  const dir = temporaryFolder();
  const cases = ['a', 'b', 'c'].map((id, i) => randomCase(id, [6, 7, 8 + i], { seed: i + 1, sparse: true }));
  return { raw: makeRawDataset(join(dir, 'raw'), { channels, cases }), out: join(dir, 'store'), dir };
}

/** For tests that leave the raw files alone: one data set, and the store that a run without interruption made of it. */
let shared: ReturnType<typeof prepare>;

beforeAll(async () => {
  shared = prepare();
  expect((await preprocess(shared.raw, shared.out, WORKERS)).written).toBe(3);
});

/** A copy of that store, which the test may change. */
function finished(): { raw: string; out: string } {
  const out = join(temporaryFolder(), 'store');
  cpSync(shared.out, out, { recursive: true });
  return { raw: shared.raw, out };
}

/** Names of the files that are other files than before. */
function rewritten(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.keys(after)
    .filter((name) => after[name] !== before[name])
    .sort();
}

describe('a second run', () => {
  it('writes no case and leaves the store as it is', async () => {
    const { raw, out } = finished();
    const [before, files] = [contents(out), identities(out)];
    expect(await preprocess(raw, out, WORKERS)).toMatchObject({ cases: 3, written: 0 });
    expect(contents(out)).toEqual(before);
    expect(rewritten(files, identities(out))).toEqual([]);
  });

  it.each(['b.npy', 'b_seg.npy', 'b.msgpack'])('after %s was deleted writes just that case', async (name) => {
    const { raw, out } = finished();
    const [before, files] = [contents(out), identities(out)];
    rmSync(join(out, name));
    expect((await preprocess(raw, out, WORKERS)).written).toBe(1);
    expect(contents(out)).toEqual(before);
    expect(rewritten(files, identities(out))).toEqual(['b.msgpack', 'b.npy', 'b_seg.npy', 'voxfeed.json']);
  });

  it.each(['b.npy', 'b_seg.npy', 'b.msgpack'])('after %s was cut off writes just that case', async (name) => {
    const { raw, out } = finished();
    const before = contents(out);
    truncateSync(join(out, name), 40);
    expect((await preprocess(raw, out, WORKERS)).written).toBe(1);
    expect(contents(out)).toEqual(before);
  });

  it('after a bit of a sidecar flipped writes just that case', async () => {
    const { raw, out } = finished();
    const before = contents(out);
    const path = join(out, 'b.msgpack');
    const bytes = readFileSync(path);
    // One bit makes a fraction a large whole number, one of the last byte another location.
    for (const [at, bit] of [
      [bytes.indexOf(0xcb), 4],
      [bytes.length >> 1, 1],
      [bytes.length - 1, 1],
    ]) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= bit;
      writeFileSync(path, damaged);
      expect((await preprocess(raw, out, WORKERS)).written).toBe(1);
      expect(contents(out)).toEqual(before);
    }
  });

  it('after the index was deleted writes the index again', async () => {
    const { raw, out } = finished();
    const before = contents(out);
    rmSync(join(out, 'voxfeed.json'));
    expect((await preprocess(raw, out, WORKERS)).written).toBe(0);
    expect(contents(out)).toEqual(before);
  });

  it('after the raw files of a case changed writes just that case', async () => {
    const { raw, out } = prepare(['noNorm']);
    await preprocess(raw, out, WORKERS);
    const files = identities(out);
    const changed = randomCase('b', [4, 4, 4], { seed: 99, sparse: true });
    writeCase(raw, changed);
    utimesSync(imagePath(raw, 'b'), 1_800_000_000, 1_800_000_000);
    expect((await preprocess(raw, out, WORKERS)).written).toBe(1);
    expect(readNpy(out, 'b.npy')).toMatchObject({ shape: [1, 4, 4, 4], data: changed.images[0] });
    expect(rewritten(files, identities(out))).toEqual(['b.msgpack', 'b.npy', 'b_seg.npy', 'voxfeed.json']);
    expect((await openStore(out)).cases[1].shape).toEqual([4, 4, 4]);
  });

  it('after a raw file changed without changing its size writes just that case', async () => {
    const dir = temporaryFolder();
    const cases = ['a', 'b'].map((id, i) => randomCase(id, [4, 4, 4], { seed: i, sparse: true }));
    const raw = makeRawDataset(join(dir, 'raw'), { ending: '.nii', channels: ['noNorm'], cases });
    await preprocess(raw, join(dir, 'store'), WORKERS);
    const changed = randomCase('b', [4, 4, 4], { seed: 50 });
    writeCase(raw, changed, '.nii');
    utimesSync(imagePath(raw, 'b', 0, '.nii'), 1_800_000_000, 1_800_000_000);
    expect((await preprocess(raw, join(dir, 'store'), WORKERS)).written).toBe(1);
    expect(readNpy(join(dir, 'store'), 'b.npy').data).toEqual(changed.images[0]);
  });

  it('with a new case writes that one', async () => {
    const { raw, out } = prepare();
    await preprocess(raw, out, WORKERS);
    writeCase(raw, randomCase('aa', [5, 5, 5], { seed: 8, sparse: true }));
    expect(await preprocess(raw, out, WORKERS)).toMatchObject({ cases: 4, written: 1 });
    expect((await openStore(out)).cases.map(({ id }) => id)).toEqual(['a', 'aa', 'b', 'c']);
  });

  it('without one of the cases lists the others', async () => {
    const { raw, out } = prepare();
    await preprocess(raw, out, WORKERS);
    rmSync(imagePath(raw, 'b'));
    rmSync(labelPath(raw, 'b'));
    expect(await preprocess(raw, out, WORKERS)).toMatchObject({ cases: 2, written: 0 });
    expect((await openStore(out)).cases.map(({ id }) => id)).toEqual(['a', 'c']);
  });

  it('from a data set that was moved writes nothing', async () => {
    const { raw, out, dir } = prepare();
    await preprocess(raw, out, WORKERS);
    renameSync(raw, join(dir, 'moved'));
    expect((await preprocess(join(dir, 'moved'), out, WORKERS)).written).toBe(0);
  });

  it('removes what a killed run was writing', async () => {
    const { raw, out } = finished();
    writeFileSync(join(out, 'c.npy.voxfeed-partial'), 'the beginning');
    await preprocess(raw, out, WORKERS);
    expect(readdirSync(out).filter((name) => name.endsWith('.voxfeed-partial'))).toEqual([]);
  });

  it.each([
    ['labels', { labels: { background: 0, organ: 1, more: 2 } }],
    ['normalisation', { channel_names: { 0: 'noNorm' } }],
    ['channels', { channel_names: { 0: 'T2' } }],
  ])('for other %s is refused and changes nothing', async (_, datasetJson) => {
    const { raw, out } = prepare();
    await preprocess(raw, out, WORKERS);
    const [before, files] = [contents(out), identities(out)];
    makeRawDataset(raw, { cases: [], datasetJson: { numTraining: 3, ...datasetJson } });
    await expect(preprocess(raw, out, WORKERS)).rejects.toMatchObject({
      name: 'StoreError',
      code: 'VOXFEED_BAD_STORE',
      where: out,
      what: expect.stringMatching(/other options/),
    });
    expect(contents(out)).toEqual(before);
    expect(identities(out)).toEqual(files);
  });
});

/**
 * A worker makes three writes to keep a case of one channel and one for its fingerprint, and then five: two for the image, two for the
 * label, one for the sidecar. The main thread makes five: fingerprint, dataset.json, plans,
 * numbers of locations and index.
 */
function runAndKill(raw: string, out: string, after: number, where: 'worker' | 'main', workers = 1): void {
  killInWrite(['preprocess', raw, out, '--workers', String(workers)], after, where);
}

describe('a run that is killed', () => {
  it.each([
    ['in the first case that is kept', 0, 'worker', 1, 3],
    ['in the last fingerprint', 11, 'worker', 1, 3],
    ['in the fingerprint of all cases', 0, 'main', 1, 3],
    ['in dataset.json', 1, 'main', 1, 3],
    ['in the plans', 2, 'main', 1, 3],
    ['in the first header', 12, 'worker', 1, 3],
    ['in the first image', 13, 'worker', 1, 3],
    // A worker has two small cases at once, whose five writes each come in no certain order: the fewest and the most that are missing.
    ['in a label', 20, 'worker', 1, [2, 3]],
    ['in a sidecar', 21, 'worker', 1, [2, 3]],
    ['after a case, in the next', 22, 'worker', 1, [1, 2]],
    ['in the last sidecar', 26, 'worker', 1, 1],
    ['in the numbers of locations', 3, 'main', 1, 0],
    ['in the index', 4, 'main', 1, 0],
    ['while two workers write', 15, 'worker', 2, null],
  ] as const)('%s ends in the same store after another run', async (_, after, where, workers, missing) => {
    const { raw } = shared;
    const out = join(temporaryFolder(), 'store');
    runAndKill(raw, out, after, where, workers);
    expect(fileNames(out).some((name) => /\.(voxfeed-partial|cropped)$/.test(name))).toBe(true);
    await expect(openStore(out)).rejects.toMatchObject({ name: 'StoreError', where: out });
    const { written } = await preprocess(raw, out, WORKERS);
    if (missing !== null) expect([missing].flat()).toContain(written);
    expect(contents(out)).toEqual(contents(shared.out));
  });

  it('again and again ends in the same store', async () => {
    const { raw } = shared;
    const out = join(temporaryFolder(), 'store');
    for (const after of [2, 6, 7, 4, 1]) runAndKill(raw, out, after, 'worker');
    await preprocess(raw, out, WORKERS);
    expect(contents(out)).toEqual(contents(shared.out));
  });

  it('while it renews a case leaves no store that opens', async () => {
    const { raw, out, dir } = prepare(['noNorm']);
    await preprocess(raw, out, WORKERS);
    writeCase(raw, randomCase('b', [6, 7, 9], { seed: 77, sparse: true }));
    utimesSync(imagePath(raw, 'b'), 1_800_000_000, 1_800_000_000);
    runAndKill(raw, out, 2, 'worker');
    expect(existsSync(join(out, 'voxfeed.json'))).toBe(false);
    expect((await preprocess(raw, out, WORKERS)).written).toBe(1);
    // The plans in the folder are followed; another folder would be planned with the new case.
    await preprocess(raw, join(dir, 'whole'), { ...WORKERS, plans: join(out, 'nnUNetPlans.json') });
    const { 'voxfeed.json': _, ...files } = contents(join(dir, 'whole'));
    expect(contents(out)).toMatchObject(files);
    expect((await openStore(out)).hash).toBe((await openStore(join(dir, 'whole'))).hash);
  });

  it('in the index of a case more leaves none beside numbers that are not its own', async () => {
    const { raw, out } = prepare(['noNorm']);
    await preprocess(raw, out, WORKERS);
    const before = readFileSync(join(out, 'voxfeed.counts'));
    writeCase(raw, randomCase('d', [6, 7, 9], { seed: 77, sparse: true }));
    runAndKill(raw, out, 1, 'main');
    expect(readFileSync(join(out, 'voxfeed.counts'))).not.toEqual(before);
    expect(existsSync(join(out, 'voxfeed.json'))).toBe(false);
    expect(await preprocess(raw, out, WORKERS)).toMatchObject({ cases: 4, written: 0 });
    expect((await verifyStore(out)).damaged).toEqual([]);
  });

  it('while it renews a case does not take the new image for the old one when the raw file is put back', async () => {
    const { raw, out } = prepare(['noNorm']);
    const put = (seed: number, time: number): void => {
      writeCase(raw, randomCase('b', [6, 7, 9], { seed, sparse: true }));
      for (const path of [imagePath(raw, 'b'), labelPath(raw, 'b')]) utimesSync(path, time, time);
    };
    put(2, 1_700_000_000);
    await preprocess(raw, out, WORKERS);
    const before = contents(out);
    put(77, 1_800_000_000);
    // The third write of a case comes when its image is in place and its label is not.
    runAndKill(raw, out, 2, 'worker');
    put(2, 1_700_000_000);
    expect((await preprocess(raw, out, WORKERS)).written).toBe(1);
    expect(contents(out)).toEqual(before);
  });
});
