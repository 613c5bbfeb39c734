import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LOCK_FILE } from '../../src/common/folder-lock.ts';
import { fingerprint } from '../../src/preprocessing/fingerprint-dataset.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { writeStore } from '../../src/preprocessing/write-store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames } from './store-files.ts';

const WORKERS = { workers: 1 };

function prepare() {
  const dir = temporaryFolder();
  const cases = ['a', 'b'].map((id, i) => randomCase(id, [6, 7, 8 + i], { seed: i + 1, sparse: true }));
  return { raw: makeRawDataset(join(dir, 'raw'), { cases }), out: join(dir, 'store'), dir };
}

const refusal = (out: string) => ({ name: 'FileError', where: out, what: expect.stringContaining(`process ${process.pid}`) });

it('two runs into one folder: the second hears who has it, and the store is whole', async () => {
  const { raw, out, dir } = prepare();
  const ends = await Promise.allSettled([preprocess(raw, out, WORKERS), preprocess(raw, out, WORKERS)]);
  const failed = ends.filter((end) => end.status === 'rejected');
  expect(failed).toHaveLength(1);
  expect(failed[0].reason).toMatchObject(refusal(out));
  expect((await verifyStore(out)).damaged).toEqual([]);
  await preprocess(raw, join(dir, 'alone'), WORKERS);
  expect(contents(out)).toEqual(contents(join(dir, 'alone')));
});

it('a folder that another run has is left as it is by whatever writes into it', async () => {
  const { raw, out } = prepare();
  await preprocess(raw, out, WORKERS);
  rmSync(join(out, 'voxfeed.json'));
  writeFileSync(join(out, 'a.npy.1-2.voxfeed-partial'), 'that the other one is writing');
  writeFileSync(join(out, LOCK_FILE), '{"pid":1,"host":"elsewhere","processes":"others","since":"today","id":"1"}');
  const before = fileNames(out);
  const content = { name: 'x', channels: ['MRI'], labels: { background: 0, organ: 1 }, cases: [] };
  for (const write of [
    () => preprocess(raw, out, WORKERS),
    () => planDataset(raw, { ...WORKERS, outDir: out }),
    () => fingerprint(raw, { ...WORKERS, outDir: out }),
    () => writeStore(out, content),
  ])
    await expect(write()).rejects.toMatchObject({ where: out, what: 'process 1 on elsewhere has been writing into it since today' });
  expect(fileNames(out)).toEqual(before);
});
