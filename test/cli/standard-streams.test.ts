import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { MAIN } from '../fixtures/paths.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const store = join(dir, 'store');
let raw: string;

beforeAll(async () => {
  raw = makeRawDataset(join(dir, 'raw'), { cases: [randomCase('a', [6, 7, 8], { sparse: true })] });
  await preprocess(raw, store, { workers: 1 });
});

/** A closed pipe, a full disk, or a pipe that is read. */
type End = 'closed' | 'full' | 'read';

/** Runs a command whose standard output and error lead there. */
async function run(words: readonly string[], stdout: End, stderr: End): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const full = (): number => openSync('/dev/full', 'w');
  const [out, err] = [stdout, stderr].map((end) => (end === 'full' ? full() : 'pipe'));
  const child = spawn(process.execPath, [MAIN, ...words], { cwd: dir, stdio: ['ignore', out, err] });
  if (stdout === 'closed') child.stdout?.destroy();
  if (stderr === 'closed') child.stderr?.destroy();
  const read = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name]?.on('data', (text) => (read[name] += text));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, ...read };
}

describe('what nobody reads', () => {
  it.each([
    ['verify', () => ['verify', store]],
    ['plan', () => ['plan', raw, '--workers', '1']],
    ['help', () => ['--help']],
  ])('ends %s, whose product is what it prints, as a closed pipe does', async (_, words) => {
    expect(await run(words(), 'closed', 'read')).toMatchObject({ status: 141 });
  });

  it.each([
    ['closed', 'closed'],
    ['read', 'closed'],
    ['read', 'full'],
  ] as const)('keeps no files from being made: standard output %s, standard error %s', async (stdout, stderr) => {
    const out = join(dir, `${stdout}-${stderr}`);
    expect(await run(['preprocess', raw, out, '--workers', '1'], stdout, stderr)).toMatchObject({ status: 0 });
    expect(existsSync(join(out, 'voxfeed.json'))).toBe(true);
  });

  it('is no progress that matters', async () => {
    expect(await run(['verify', store], 'read', 'full')).toEqual({
      status: 0,
      stdout: expect.stringContaining('0 damaged'),
      stderr: '',
    });
  });

  it('because the disk is full is said in one sentence, also after files were made', async () => {
    const sentence = /^error: standard output: no space left on device \(ENOSPC\)\. [^\n]*\n$/;
    const withoutProgress = ({ stderr, ...rest }: Awaited<ReturnType<typeof run>>) => ({
      ...rest,
      stderr: stderr.replace(/^(verifying|reading|writing) cases.*\n|^note: .*\n/gm, ''),
    });
    expect(withoutProgress(await run(['verify', store], 'full', 'read'))).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(sentence),
    });
    const out = join(dir, 'full');
    const made = await run(['preprocess', raw, out, '--workers', '1'], 'full', 'read');
    expect(withoutProgress(made)).toMatchObject({ status: 1, stderr: expect.stringMatching(sentence) });
    expect(existsSync(join(out, 'voxfeed.json'))).toBe(true);
  });
});
