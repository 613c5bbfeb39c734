import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from '../../src/store/store.ts';
import { commandProcessWithin } from '../fixtures/command-line.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { identities } from './store-files.ts';

const CASES = 90;
/** What a process of one worker needs, and less than one descriptor a case. */
const DESCRIPTORS = 64;

/** The command where few files may be open. */
function limited(...words: string[]): { written: number; stderr: string } {
  const { stdout, stderr } = commandProcessWithin(`ulimit -n ${DESCRIPTORS}`, '.')(...words, '--workers', '1', '--json');
  return { written: JSON.parse(stdout || '{}').written, stderr };
}

it.runIf(process.platform === 'linux')(
  'many finished cases are found where few files may be open, and none is written again',
  async () => {
    const dir = temporaryFolder();
    const cases = Array.from({ length: CASES }, (_, i) => randomCase(`case_${i}`, [2, 3, 4], { seed: i, sparse: true }));
    const raw = makeRawDataset(join(dir, 'raw'), { cases });
    const store = join(dir, 'store');
    expect(limited('preprocess', raw, store)).toMatchObject({ written: CASES });
    const before = identities(store);
    expect(limited('preprocess', raw, store)).toMatchObject({ written: 0 });
    expect(identities(store)).toEqual(before);
    expect((await openStore(store)).cases).toHaveLength(CASES);
    expect(limited('plan', raw, '--out', store).stderr).not.toContain('error');
    expect(identities(store)).toMatchObject(before);
  },
  300_000,
);
