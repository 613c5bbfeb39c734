import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CasesError } from '../../src/common/errors.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { writeStore } from '../../src/preprocessing/write-store.ts';
import { openStore } from '../../src/store/store.ts';
import { MAIN } from '../fixtures/paths.ts';
import { writePlans } from '../fixtures/plans.ts';
import { imagePath, labelPath, makeRawDataset, type RawDatasetContent, randomCase, writeCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames, identities, planFiles } from './store-files.ts';

const SHAPE = [3, 4, 5];

function prepare(content: RawDatasetContent) {
  const dir = temporaryFolder();
  return { dir, raw: makeRawDataset(join(dir, 'raw'), content), out: join(dir, 'store') };
}

/** The files of finished cases. */
function caseFilesOf(ids: string[]): string[] {
  return ids.flatMap((id) => [`${id}.msgpack`, `${id}.npy`, `${id}_seg.npy`]);
}

/** A case whose image holds a value that float32 does not. */
const unreadable = (id: string) => ({ ...holding(id, 1e300), image: { datatype: 'float64' as const } });

/** A case whose image holds `value` in one place. */
function holding(id: string, value: number) {
  const one = randomCase(id, SHAPE, { sparse: true });
  return { ...one, images: [Array.from(one.images[0], (voxel, i) => (i === 7 ? value : voxel % 256))] };
}

describe('one bad case among good ones', () => {
  it('that shows only when it is normalised is named, and the good cases are kept', async () => {
    const { raw, out } = prepare({
      channels: ['rgb_to_0_1'],
      cases: [holding('a', 9), holding('b', 300), holding('c', 255), holding('d', 0)],
    });
    await expect(preprocess(raw, out, { workers: 2 })).rejects.toMatchObject({
      name: 'CaseError',
      where: imagePath(raw, 'b'),
      what: expect.stringContaining('300, outside 0 to 255'),
      message: expect.stringContaining(imagePath(raw, 'b')),
    });
    expect(fileNames(out)).toEqual([...caseFilesOf(['a', 'c', 'd']), ...planFiles(['a', 'b', 'c', 'd'])].sort());
    await expect(openStore(out)).rejects.toMatchObject({ name: 'StoreError' });
    writeCase(raw, holding('b', 30));
    expect(await preprocess(raw, out, { workers: 1 })).toMatchObject({ cases: 4, written: 1 });
    expect((await openStore(out)).cases).toHaveLength(4);
  });

  it('that cannot be read is named, and a store of the good cases stays as it is', async () => {
    const { raw, out } = prepare({ cases: [holding('a', 1), holding('b', 2)] });
    await preprocess(raw, out, { workers: 1 });
    const [before, files] = [contents(out), identities(out)];
    writeCase(raw, unreadable('c'));
    await expect(preprocess(raw, out, { workers: 2 })).rejects.toMatchObject({ name: 'CaseError', where: imagePath(raw, 'c') });
    expect(contents(out)).toEqual(before);
    expect(identities(out)).toEqual(files);
  });

  it('keeps its name, file, cause and advice on the way out of the worker', async () => {
    const { raw, out } = prepare({ cases: [holding('a', 1), { ...holding('b', 1), label: new Array(60).fill(7) }] });
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject({
      name: 'CaseError',
      code: 'VOXFEED_BAD_CASE',
      where: labelPath(raw, 'b'),
      what: expect.stringContaining('label value 7 at voxel [0, 0, 0]'),
      action: expect.stringContaining('background 0, organ 1'),
      stack: expect.stringContaining('read-case'),
    });
  });
});

describe('several bad cases', () => {
  it('are all named in one error', async () => {
    const cases = [
      holding('a', 1),
      unreadable('b'),
      holding('c', 1),
      { ...holding('d', 1), labelFile: { shape: [3, 5, 4] } },
      holding('e', 1),
    ];
    const { raw, out } = prepare({ cases });
    writeFileSync(imagePath(raw, 'c'), 'not gzip');
    const error = await preprocess(raw, out, { workers: 2 }).then(
      () => null,
      (reason: CasesError) => reason,
    );
    expect(error).toMatchObject({ name: 'CasesError', code: 'VOXFEED_BAD_CASES', where: raw, what: '3 cases cannot be used' });
    const places = [imagePath(raw, 'b'), imagePath(raw, 'c'), labelPath(raw, 'd')];
    expect(error?.errors.map(({ name, where }) => [name, where])).toEqual(places.map((place) => ['CaseError', place]));
    for (const place of places) expect(error?.message).toContain(place);
    // What was read of the good cases is finished work; there is nothing else yet.
    expect(fileNames(out)).toEqual(['a', 'e'].map((id) => join('fingerprint_cache', `${id}.msgpack`)));
  });

  it('that show only when they are normalised are all named, and the good ones are kept', async () => {
    const { raw, out } = prepare({ channels: ['rgb_to_0_1'], cases: [holding('a', 300), holding('b', 1), holding('c', -1)] });
    const error = await preprocess(raw, out, { workers: 2 }).then(
      () => null,
      (reason: CasesError) => reason,
    );
    expect(error?.errors.map(({ where }) => where)).toEqual([imagePath(raw, 'a'), imagePath(raw, 'c')]);
    expect(fileNames(out)).toEqual([...caseFilesOf(['b']), ...planFiles(['a', 'b', 'c'])].sort());
  });
});

describe('a run in which no case is finished', () => {
  const rgb = { normalisation: ['RGBTo01Normalization'] };

  it('takes the folder that it made away again', async () => {
    const { dir, raw, out } = prepare({ channels: ['rgb_to_0_1'], cases: [holding('a', 300), holding('b', 300)] });
    const plans = writePlans(join(dir, 'plans.json'), rgb);
    await expect(preprocess(raw, out, { plans, workers: 1 })).rejects.toMatchObject({ name: 'CasesError' });
    expect(existsSync(out)).toBe(false);
  });

  it('leaves a folder that was there, and what was in it', async () => {
    const { dir, raw } = prepare({ channels: ['rgb_to_0_1'], cases: [holding('a', 300)] });
    const plans = writePlans(join(dir, 'plans.json'), rgb);
    const out = temporaryFolder();
    await expect(preprocess(raw, out, { plans, workers: 1 })).rejects.toMatchObject({ name: 'CaseError' });
    expect(existsSync(out)).toBe(true);
    writeFileSync(join(out, 'notes.txt'), 'mine');
    await expect(preprocess(raw, out, { plans, workers: 1 })).rejects.toMatchObject({ name: 'CaseError' });
    expect(fileNames(out)).toEqual(['notes.txt']);
  });

  it('keeps the plans that it made, which are finished', async () => {
    const { raw, out } = prepare({ channels: ['rgb_to_0_1'], cases: [holding('a', 300), holding('b', 300)] });
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject({ name: 'CasesError' });
    expect(fileNames(out)).toEqual(planFiles(['a', 'b']).sort());
  });

  it('takes the folder away where no case could even be read', async () => {
    const { raw, out } = prepare({ cases: [unreadable('a')] });
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject({ name: 'CaseError' });
    expect(existsSync(out)).toBe(false);
  });

  it('makes no folder for a data set that cannot be opened', async () => {
    const dir = temporaryFolder();
    await expect(preprocess(dir, join(dir, 'store'), { workers: 1 })).rejects.toMatchObject({ name: 'DatasetError' });
    expect(existsSync(join(dir, 'store'))).toBe(false);
  });
});

describe('a disk that is full', () => {
  /** No file may grow past `blocks` of 512 or 1024 bytes, as the shell counts them; writing more fails like on a full disk. */
  function runLimited(blocks: number, raw: string, out: string, ...more: string[]) {
    const script = `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`;
    const words = [process.execPath, MAIN, 'preprocess', raw, out, '--workers', '1', ...more];
    return spawnSync('sh', ['-c', script, 'sh', ...words], { encoding: 'utf8' });
  }

  it('ends the run with the name of the file, keeps finished cases and leaves nothing half-written', async () => {
    const [a, b, c] = [6, 40, 6].map((size, i) => randomCase('abc'[i], [size, size, size], { sparse: true }));
    const { raw, out } = prepare({ cases: [a, b, c] });
    const child = runLimited(64, raw, out);
    expect(child.status, child.stderr).toBe(1);
    expect(child.stderr).toContain(`error: ${join(out, 'b.npy')}: `);
    expect(child.stderr).toContain('EFBIG');
    expect(child.stderr).not.toMatch(/^ +at /m);
    expect(child.stdout).toBe('');
    expect(fileNames(out)).toEqual([...caseFilesOf(['a']), ...planFiles(['a', 'b', 'c'])].sort());
    expect(await preprocess(raw, out, { workers: 1 })).toMatchObject({ cases: 3, written: 2 });
    expect(statSync(join(out, 'b.npy')).size).toBe(128 + 4 * 40 ** 3);
    await openStore(out);
  });

  it('with the very first case leaves no folder', () => {
    const { dir, raw, out } = prepare({ cases: [randomCase('a', [40, 40, 40])] });
    const child = runLimited(64, raw, out, '--plans', writePlans(join(dir, 'plans.json')));
    expect(child.status, child.stderr).toBe(1);
    expect(child.stderr).toContain(join(out, 'a.npy'));
    expect(existsSync(out)).toBe(false);
  });

  it('already with the fingerprint of a case ends the run there, with the name of the file, and not as a bad case', () => {
    // A thousand distinct intensities are 8 kB of fingerprint.
    const cases = ['a', 'b'].map((id) => randomCase(id, [20, 20, 20]));
    const { raw, out } = prepare({ cases });
    const child = runLimited(4, raw, out);
    expect(child.status, child.stderr).toBe(1);
    // A worker has both cases at once: either may be the first.
    const named = ['a', 'b'].map((id) => `error: ${join(out, 'fingerprint_cache', `${id}.msgpack`)}: file too large (EFBIG)`);
    expect(named.filter((text) => child.stderr.includes(text))).toHaveLength(1);
    expect(child.stderr).not.toContain('cases cannot be used');
    expect(existsSync(out)).toBe(false);
  });
});

describe('threads that the system does not give', () => {
  it('are one error that names the limits', () => {
    const dir = temporaryFolder();
    const cases = Array.from({ length: 8 }, (_, i) => randomCase(`case${i}`, [6, 6, 6], { seed: i, sparse: true }));
    const raw = makeRawDataset(join(dir, 'raw'), { cases });
    const out = join(dir, 'store');
    const command = `ulimit -n 40; exec "${process.execPath}" "${MAIN}" preprocess "${raw}" "${out}" --workers 8`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(stderr).toMatch(
      /^error: --workers: the system starts no more threads \(EMFILE\)\. Use fewer --workers, or raise its limits: `ulimit -u`/m,
    );
    expect(stderr).not.toMatch(/\n {4}at /);
    expect(status).toBe(1);
  });
});

describe('a folder that belongs to the raw data set', () => {
  it.each(['.', 'imagesTr', 'labelsTr'])('is refused for what is made from it: %s', async (name) => {
    const { raw } = prepare({ cases: [holding('a', 1)] });
    const before = contents(raw);
    const refused = { name: 'FileError', where: join(raw, name), what: expect.stringContaining('it belongs to a raw data set') };
    await expect(preprocess(raw, join(raw, name), { workers: 1 })).rejects.toMatchObject(refused);
    await expect(planDataset(raw, { outDir: join(raw, name), workers: 1 })).rejects.toMatchObject(refused);
    expect(contents(raw)).toEqual(before);
  });

  it.each(['.', 'imagesTr', 'labelsTr'])('is refused for what is made from another one: %s', async (name) => {
    const [{ raw }, { raw: other }] = [prepare({ cases: [holding('a', 1)] }), prepare({ cases: [holding('b', 1)] })];
    const before = contents(other);
    const out = join(other, name);
    const refused = { name: 'FileError', where: out };
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject(refused);
    await expect(planDataset(raw, { outDir: out, workers: 1 })).rejects.toMatchObject(refused);
    await expect(writeStore(out, { name: 'x', channels: ['a'], labels: { background: 0, one: 1 }, cases: [] })).rejects.toMatchObject(
      refused,
    );
    expect(contents(other)).toEqual(before);
  });
});
