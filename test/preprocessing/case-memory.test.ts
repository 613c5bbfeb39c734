import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { readPlans, resolveConfiguration } from '../../src/plans/plans-file.ts';
import { caseBytes } from '../../src/preprocessing/case-memory.ts';
import type { CaseTask } from '../../src/preprocessing/case-task.ts';
import { fingerprint } from '../../src/preprocessing/fingerprint-dataset.ts';
import type { StoreOptions } from '../../src/preprocessing/grid.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openRawDataset, readingOf } from '../../src/raw/raw-dataset.ts';
import { openStore } from '../../src/store/store.ts';
import { writeNifti } from '../fixtures/nifti-file.ts';
import { writePlans } from '../fixtures/plans.ts';
import { imagePath, labelPath, makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** Cases whose edges have these lengths, in files that are not compressed. */
function prepare(edges: number[], channels = 1) {
  const dir = temporaryFolder();
  const names = Array.from({ length: channels }, (_, i) => `channel ${i}`);
  const cases = edges.map((edge, i) => randomCase(`case${i}`, [edge, edge, edge], { seed: i, channels, sparse: true }));
  const raw = makeRawDataset(join(dir, 'raw'), { ending: '.nii', channels: names, cases });
  const plans = writePlans(join(dir, 'plans.json'), { normalisation: names.map(() => 'ZScoreNormalization') });
  return { raw, plans, out: join(dir, 'store') };
}

async function taskOf(raw: string, kind: 'fingerprint' | 'coverage', number = 0): Promise<CaseTask> {
  const dataset = await openRawDataset(raw);
  const { cases, labels } = dataset;
  const shared = { raw: cases[number], labels, reading: readingOf(dataset) };
  if (kind === 'fingerprint') return { ...shared, kind, samples: 1, settings: '', cacheDir: null };
  const grid = { transpose: [0, 1, 2] as Triple, spacing: [1, 1, 1], patch: [4, 4, 4] as Triple };
  return { ...shared, kind, cropBox: { lower: [0, 0, 0], upper: [20, 20, 20] }, grids: [grid] };
}

describe('the memory of a case', () => {
  it('holds its channels, work on two more of them, and one file twice', async () => {
    const voxels = 20 ** 3;
    const [one, three] = await Promise.all(
      [1, 3].map(async (channels) => caseBytes(await taskOf(prepare([20], channels).raw, 'fingerprint'))),
    );
    expect(three - one).toBe(2 * 4 * voxels);
    expect(one).toBeGreaterThanOrEqual((4 + 8 + 1 + 1) * voxels + 2 * 4 * voxels);
    expect(one).toBeLessThan(40 * voxels);
  });

  it('holds its channels once more as they are written, where that is not float32 in .npy files', async () => {
    const { raw, plans: path } = prepare([20], 3);
    const dataset = await openRawDataset(raw);
    const { channels, labels } = dataset;
    const { normalisation, transpose, spacing, resampling } = resolveConfiguration(path, await readPlans(path), '3d_fullres');
    const options = { labels, channels, normalisation, transpose, spacing, resampling };
    const task = { kind: 'write' as const, raw: dataset.cases[0], reading: readingOf(dataset), optionsHash: '', patches: [], outDir: '' };
    const bytes = (storage: Pick<StoreOptions, 'dtype' | 'arrays'>) => caseBytes({ ...task, options: { ...options, ...storage } });
    const plain = await bytes({});
    const copies = await Promise.all([
      bytes({ dtype: 'float16' }),
      bytes({ arrays: 'b2nd' }),
      bytes({ dtype: 'float16', arrays: 'b2nd' }),
      bytes({ dtype: 'int16' }),
    ]);
    expect(copies.map((more) => more - plain)).toEqual([2, 4, 4, 2].map((width) => width * 3 * 20 ** 3));
  });

  it('counts the largest of its files, whichever channel that is', async () => {
    const { raw } = prepare([20], 3);
    const task = await taskOf(raw, 'fingerprint');
    const before = await caseBytes(task);
    writeNifti(imagePath(raw, 'case0', 2, '.nii'), { shape: [20, 20, 20], data: new Array(8000).fill(1), datatype: 'float64' });
    // Twice the bytes a voxel, as it is on disk and in memory.
    expect((await caseBytes(task)) - before).toBe(2 * 4 * 8000);
  });

  it('grows with the grid that it is resampled to, in whatever order of axes', async () => {
    const { raw } = prepare([20]);
    const task = await taskOf(raw, 'coverage');
    if (task.kind !== 'coverage') throw new Error('it is another task');
    const bytes = async (transpose: Triple, spacing: number[]) =>
      caseBytes({ ...task, grids: [...task.grids, { transpose, spacing, patch: [4, 4, 4] }] });
    const same = await caseBytes(task);
    expect(await bytes([0, 1, 2], [2, 2, 2])).toBe(same);
    expect(await bytes([0, 1, 2], [1, 1])).toBe(same);
    const doubled = await bytes([0, 1, 2], [1, 0.5, 1]);
    expect(doubled).toBeGreaterThan(1.5 * same);
    expect(await bytes([2, 0, 1], [0.5, 1, 1])).toBe(doubled);
    expect(await bytes([2, 0, 1], [0.5, 1])).toBe(doubled);
  });

  it('is not known where a header cannot be read: reading will say why', async () => {
    const { raw } = prepare([20]);
    const task = await taskOf(raw, 'fingerprint');
    writeFileSync(labelPath(raw, 'case0', '.nii'), 'nothing');
    expect(await caseBytes(task)).toBe(0);
    await expect(fingerprint(raw, { workers: 1 })).rejects.toMatchObject({ name: 'CaseError', where: labelPath(raw, 'case0', '.nii') });
  });
});

describe('a case that does not fit into memory', () => {
  const refusal = (raw: string, id: string) => ({
    name: 'MemoryError',
    where: imagePath(raw, id, 0, '.nii'),
    what: expect.stringMatching(new RegExp(`^case ${id} takes up to .* [KM]iB, .* may be taken$`)),
    action: expect.stringContaining('`maxMemoryBytes`'),
  });

  it('is refused with its file, and the others are finished', async () => {
    const { raw, plans, out } = prepare([8, 24, 8]);
    const maxMemoryBytes = (await caseBytes(await taskOf(raw, 'fingerprint', 1))) - 1;
    const options = { workers: 2, maxMemoryBytes };
    await expect(fingerprint(raw, options)).rejects.toMatchObject(refusal(raw, 'case1'));
    await expect(planDataset(raw, options)).rejects.toMatchObject(refusal(raw, 'case1'));
    await expect(preprocess(raw, out, { ...options, plans })).rejects.toMatchObject(refusal(raw, 'case1'));
    expect(statSync(join(out, 'case0.msgpack')).size).toBeGreaterThan(0);
    expect(statSync(join(out, 'case2.msgpack')).size).toBeGreaterThan(0);
    expect(await preprocess(raw, out, { workers: 2, plans })).toMatchObject({ written: 1 });
  });

  it('is named together with the others of that kind', async () => {
    const { raw } = prepare([24, 8, 24]);
    await expect(fingerprint(raw, { workers: 2, maxMemoryBytes: 200_000 })).rejects.toMatchObject({
      name: 'CasesError',
      errors: [refusal(raw, 'case0'), refusal(raw, 'case2')],
    });
  });

  it('is refused for the memory that its resampled volume takes', async () => {
    const { raw, out } = prepare([16, 16]);
    const maxMemoryBytes = 2 * (await caseBytes(await taskOf(raw, 'fingerprint')));
    const plans = writePlans(`${out}.json`, { spacing: [0.25, 0.25, 0.25] });
    await expect(preprocess(raw, out, { workers: 1, plans, maxMemoryBytes })).rejects.toMatchObject({ name: 'CasesError' });
  });
});

describe('cases that do not fit into memory together', () => {
  it('are worked on one after the other, all of them', async () => {
    const { raw, plans, out } = prepare([24, 24, 24, 24]);
    const maxMemoryBytes = Math.floor(1.5 * (await caseBytes(await taskOf(raw, 'fingerprint'))));
    expect(await preprocess(raw, out, { workers: 3, maxMemoryBytes, plans })).toMatchObject({ cases: 4, written: 4 });
    const times = [0, 1, 2, 3].map((i) => ({
      began: statSync(join(out, `case${i}.npy`)).mtimeMs,
      ended: statSync(join(out, `case${i}.msgpack`)).mtimeMs,
    }));
    times.sort((a, b) => a.began - b.began);
    for (const i of [1, 2, 3]) expect(times[i].began).toBeGreaterThanOrEqual(times[i - 1].ended);
    expect((await openStore(out)).cases).toHaveLength(4);
  });

  it('end in the same store as those that do', async () => {
    const { raw, plans, out } = prepare([8, 20, 9, 21, 10]);
    const maxMemoryBytes = await caseBytes(await taskOf(raw, 'fingerprint', 3));
    await preprocess(raw, out, { workers: 3, maxMemoryBytes, plans });
    await preprocess(raw, `${out}2`, { workers: 3, plans });
    expect((await openStore(out)).hash).toBe((await openStore(`${out}2`)).hash);
  });
});

describe('a limit that is none', () => {
  it.each([0, -1, Number.NaN])('is refused before anything is read: %s', async (maxMemoryBytes) => {
    const { raw, plans, out } = prepare([4]);
    const refused = { name: 'OptionError', where: 'maxMemoryBytes' };
    await expect(preprocess(raw, out, { plans, maxMemoryBytes })).rejects.toMatchObject(refused);
    await expect(fingerprint(raw, { maxMemoryBytes })).rejects.toMatchObject(refused);
  });
});
