import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Part } from '../../src/common/part.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { planPart } from '../../src/preprocessing/plan-part.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { preprocessForNnunet } from '../../src/preprocessing/preprocess-nnunet.ts';
import { openStore } from '../../src/store/store.ts';
import { commandLine } from '../fixtures/command-line.ts';
import { killInWrite } from '../fixtures/kill.ts';
import { makeRawDataset, numbers, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames, identities, planFiles } from './store-files.ts';

const WORKERS = { workers: 1 };
const IDS = Array.from({ length: 11 }, (_, i) => `case_${String(i).padStart(2, '0')}`);

const parts = (of: number): Part[] => Array.from({ length: of }, (_, i) => [i + 1, of]);
const newFolder = (): string => join(temporaryFolder(), 'store');

/** One data set, and what a run without parts makes of it: the plans, and the store that they are in. */
let raw: string;
let planned: string;
let whole: string;

beforeAll(async () => {
  const dir = temporaryFolder();
  const cases = IDS.map((id, i) => randomCase(id, [6, 7, 8 + (i % 3)], { seed: i + 1, sparse: true }));
  raw = makeRawDataset(join(dir, 'Dataset001_Test'), { cases });
  whole = join(dir, 'whole');
  await preprocess(raw, whole, WORKERS);
  planned = join(dir, 'planned');
  for (const name of planFiles(IDS)) cpSync(join(whole, name), join(planned, name));
});

/** A folder with the plans, which the test may change. */
function withPlans(): string {
  const out = newFolder();
  cpSync(planned, out, { recursive: true });
  return out;
}

describe('parts, side by side', () => {
  it('plan as one run does', async () => {
    const out = newFolder();
    const reports = await Promise.all(parts(3).map((part) => planPart(raw, { ...WORKERS, outDir: out, part })));
    expect(reports.map(({ cases }) => cases)).toEqual([4, 4, 3]);
    expect(fileNames(out)).toEqual(IDS.map((id) => join('fingerprint_cache', `${id}.msgpack`)));
    const { oversampling, fingerprint } = await planDataset(raw, { ...WORKERS, outDir: out, finish: true });
    expect([oversampling, fingerprint.spacings.length]).toEqual([[], 11]);
    expect(contents(out)).toEqual(contents(planned));
  });

  it('write each its cases, and nothing else; put together they are the store of one run', async () => {
    const out = withPlans();
    await preprocess(raw, out, { ...WORKERS, part: [2, 4] });
    const own = ['case_01', 'case_05', 'case_09'].flatMap((id) => [`${id}.msgpack`, `${id}.npy`, `${id}_seg.npy`]);
    expect(fileNames(out).filter((name) => !fileNames(planned).includes(name))).toEqual(own);
    const before = identities(out);
    const reports = await Promise.all(parts(4).map((part) => preprocess(raw, out, { ...WORKERS, part })));
    expect(reports.map(({ cases, written }) => [cases, written])).toEqual([
      [3, 3],
      [3, 0],
      [3, 3],
      [2, 2],
    ]);
    expect(identities(out)).toMatchObject(before);
    await expect(openStore(out)).rejects.toMatchObject({ name: 'StoreError', where: out });
    expect(await preprocess(raw, out, { ...WORKERS, finish: true })).toMatchObject({ cases: 11, written: 0 });
    expect(contents(out)).toEqual(contents(whole));
  });

  it('write what nnU-Net trains on, as one run does', async () => {
    const [out, alone] = [temporaryFolder(), temporaryFolder()];
    const dir = join(out, 'Dataset001_Test');
    await preprocessForNnunet(raw, alone, WORKERS);
    for (const part of parts(2)) await planPart(raw, { ...WORKERS, outDir: dir, part });
    await planDataset(raw, { ...WORKERS, outDir: dir, finish: true });
    await preprocessForNnunet(raw, out, { ...WORKERS, part: [1, 2] });
    await expect(preprocessForNnunet(raw, out, { ...WORKERS, finish: true })).rejects.toMatchObject({
      what: expect.stringMatching(/^5 of 11 cases are missing, or have changed since: case_01, case_03, /),
    });
    await preprocessForNnunet(raw, out, { ...WORKERS, part: [2, 2] });
    await preprocessForNnunet(raw, out, { ...WORKERS, finish: true });
    expect(contents(out)).toEqual(contents(alone));
  });

  it('leave alone what others are writing; the end clears what killed ones left', async () => {
    const out = withPlans();
    const left = ['case_00.npy.1-2.voxfeed-partial', join('fingerprint_cache', 'case_00.msgpack.1-2.voxfeed-partial')];
    for (const name of left) writeFileSync(join(out, name), 'the beginning');
    for (const part of parts(2)) {
      await planPart(raw, { ...WORKERS, outDir: out, part });
      await preprocess(raw, out, { ...WORKERS, part });
    }
    expect(fileNames(out)).toEqual(expect.arrayContaining(left));
    await planDataset(raw, { ...WORKERS, outDir: out, finish: true });
    await preprocess(raw, out, { ...WORKERS, finish: true });
    expect(contents(out)).toEqual(contents(whole));
  });

  it('may be more than there are cases', async () => {
    const out = withPlans();
    expect(await preprocess(raw, out, { ...WORKERS, part: [12, 12] })).toMatchObject({ cases: 0, written: 0 });
    expect(await planPart(raw, { ...WORKERS, outDir: out, part: [12, 12] })).toMatchObject({ cases: 0 });
    expect(contents(out)).toEqual(contents(planned));
  });
});

it('8 parts, killed at random and run again, end in the store of one run', async () => {
  const out = newFolder();
  const next = numbers(20);
  const words = (k: number): string[] => ['--part', `${k}/8`, '--workers', '1'];
  for (const [k] of parts(8)) if (next(3) === 0) killInWrite(['plan', raw, '--out', out, ...words(k)], 0, 'worker');
  await Promise.all(parts(8).map((part) => planPart(raw, { ...WORKERS, outDir: out, part })));
  killInWrite(['plan', raw, '--out', out, '--finish'], next(4), 'main');
  await planDataset(raw, { ...WORKERS, outDir: out, finish: true });
  for (const [k] of parts(8)) if (next(2) === 0) killInWrite(['preprocess', raw, out, ...words(k)], next(5), 'worker');
  await Promise.all(parts(8).map((part) => preprocess(raw, out, { ...WORKERS, part })));
  killInWrite(['preprocess', raw, out, '--finish'], 0, 'main');
  await preprocess(raw, out, { ...WORKERS, finish: true });
  expect(contents(out)).toEqual(contents(whole));
});

describe('finish', () => {
  it('names the cases whose fingerprints are missing, and writes nothing', async () => {
    const out = newFolder();
    for (const part of [1, 3]) await planPart(raw, { ...WORKERS, outDir: out, part: [part, 4] });
    const before = contents(out);
    await expect(planDataset(raw, { ...WORKERS, outDir: out, finish: true })).rejects.toMatchObject({
      name: 'StoreError',
      where: out,
      what: '5 of 11 cases are missing, or have changed since: case_01, case_03, case_05, case_07, case_09',
    });
    expect(contents(out)).toEqual(before);
  });

  it('names the cases that are not written, and leaves the index of a store as it is', async () => {
    const out = newFolder();
    cpSync(whole, out, { recursive: true });
    for (const name of ['case_03.npy', 'case_07.msgpack']) rmSync(join(out, name));
    const before = identities(out);
    await expect(preprocess(raw, out, { ...WORKERS, finish: true })).rejects.toMatchObject({
      name: 'StoreError',
      where: out,
      what: '2 of 11 cases are missing, or have changed since: case_03, case_07',
      action: 'Run the parts again: they do what is missing',
    });
    expect(identities(out)).toEqual(before);
  });
});

describe('refused are', () => {
  it.each([{ part: [1, 2] as const }, { finish: true }])('%o without plans', async (share) => {
    await expect(preprocess(raw, newFolder(), { ...WORKERS, ...share })).rejects.toMatchObject({
      name: 'StoreError',
      what: 'parts go by plans, and there are none that they could',
    });
  });

  it('a part that is running already, another division and a whole run beside it', async () => {
    const out = withPlans();
    const started = Promise.withResolvers<void>();
    const first = preprocess(raw, out, { ...WORKERS, part: [1, 2], onProgress: ({ done }) => done === 0 && started.resolve() });
    await started.promise;
    for (const share of [{ part: [1, 2] as const }, { part: [2, 3] as const }, { finish: true }, {}])
      await expect(preprocess(raw, out, { ...WORKERS, ...share })).rejects.toMatchObject({
        name: 'FileError',
        where: out,
        what: expect.stringContaining(`process ${process.pid}`),
      });
    await preprocess(raw, out, { ...WORKERS, part: [2, 2] });
    await first;
    await preprocess(raw, out, { ...WORKERS, finish: true });
    expect(contents(out)).toEqual(contents(whole));
  });

  it.each([
    [['preprocess', '--part', '0/3'], '--part: "0/3" is not a part such as 3/16, the third of sixteen'],
    [['preprocess', '--part', '4/3'], '--part: "4/3" is not a part such as 3/16'],
    [['preprocess', '--part', 'x'], '--part: "x" is not a part such as 3/16'],
    [['preprocess', '--part', '1/3', '--finish'], '--part: it does not go with --finish'],
    [['plan', '--part', '1/3'], '--part: what it finds must be kept. Name the folder with --out'],
    [['plan', '--out', 'store', '--part', '1/3', '--finish'], '--part: it does not go with --finish'],
    [['plan', '--finish'], '--finish: it puts together what lies in a folder. Name that with --out'],
  ])('%j', async ([command, ...words], message) => {
    const folder = command === 'preprocess' ? ['store'] : [];
    const { status, stderr } = await commandLine(temporaryFolder())(command, raw, ...folder, ...words);
    expect([status === 0, stderr]).toEqual([false, expect.stringContaining(message)]);
  });
});

it('the command says what a part did', async () => {
  const run = commandLine(temporaryFolder());
  for (const k of [1, 2]) {
    const { stdout } = await run('plan', raw, '--out', 'store', '--workers', '1', '--planner', 'resenc-m', '--part', `${k}/2`);
    expect(stdout).toBe(`part ${k}/2: ${7 - k} cases read, kept in store\n`);
  }
  const planned = await run('plan', raw, '--out', 'store', '--workers', '1', '--finish');
  expect(planned.stdout).toMatch(/^patch +\d/m);
  expect(planned.stdout).not.toMatch(/oversampl/);
  const { stdout } = await run('preprocess', raw, 'store', '--workers', '1', '--part', '2/2');
  expect(stdout).toBe('part 2/2: 5 cases in store, 5 written now\n');
});
