import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine } from '../fixtures/command-line.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const store = join(dir, 'store');

const voxfeed = commandLine(dir);

/** The words of a row of the table, without its title. */
function row(table: string, title: string): string[] {
  const line = table.split('\n').find((text) => text.startsWith(`${title}  `)) ?? '';
  return line.slice(title.length).trim().split(/ {2,}/);
}

/** Everything that follows uses these plans, and a store that was made by them. */
let table: string;

beforeAll(async () => {
  const planned = await voxfeed('plan', EXAMPLES, '--out', store, '--workers', '2');
  expect(planned.status, planned.stderr).toBe(0);
  table = planned.stdout;
  const made = await voxfeed('preprocess', EXAMPLES, store, '--workers', '2');
  expect(made.status, made.stderr).toBe(0);
  expect(made.stdout).toContain('20 cases in');
  expect(made.stdout).toContain('3d_fullres: patch 40x56x40, batch 2');
  // The fingerprint was there already.
  expect(made.stderr).not.toContain('reading cases');
});

describe('plan', () => {
  it('prints a table of configurations, and why they are what they are', () => {
    expect(table).toMatch(
      /^data: 20 cases, 1 channel \(MRI\), 2 classes\nExperimentPlanner for 8 GB, a card of 10; axes z, y, x\nmedian volume 37x49x36, /,
    );
    expect(row(table, '')).toEqual(['2d', '3d_fullres']);
    expect(row(table, 'patch')).toEqual(['56x40', '40x56x40']);
    expect(row(table, 'batch')).toEqual(['29', '2']);
    expect(row(table, 'spacing (mm)')).toEqual(['1x1', '1x1x1']);
    expect(row(table, 'median volume')).toEqual(['49x36', '37x49x36']);
    expect(row(table, 'stages')).toEqual(['4', '4']);
    for (const title of ['GPU memory, float32', 'GPU memory, mixed'])
      for (const cell of row(table, title)) expect(cell).toMatch(/^[\d.]+ [MG]iB$/);
    for (const cell of row(table, 'random patches see')) expect(cell).toMatch(/^[\d.]+ %$/);
    const advice = row(table, 'advice: --oversample').map(Number);
    const report = JSON.parse(readFileSync(join(store, 'oversampling.json'), 'utf8'));
    expect(advice).toEqual(report.map((entry: { advice: { recommended: number } }) => entry.advice.recommended));
    expect(table).toMatch(
      /3d_fullres:\n {2}patch 256x256x256 from the spacing\n {2}37x49x36: no larger than the median volume\n {2}40x56x40: /,
    );
    expect(table).toContain(
      'batch 2: memory allows 58 at 19.2M, the size of the data set 1; the size of the data set decides, and 2 is the least',
    );
  });

  it('writes what preprocessing follows', () => {
    const plans = JSON.parse(readFileSync(join(store, 'nnUNetPlans.json'), 'utf8'));
    expect(plans.configurations['3d_fullres']).toMatchObject({ patch_size: [40, 56, 40], batch_size: 2 });
    expect(existsSync(join(store, 'dataset_fingerprint.json'))).toBe(true);
  });

  it('prints the plans as JSON and nothing else, and shows its progress beside them', async () => {
    const { status, stdout, stderr } = await voxfeed('plan', EXAMPLES, '--out', store, '--json', '--workers', '2');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(join(store, 'nnUNetPlans.json'), 'utf8')));
    expect(stderr).toMatch(/reading cases 20\/20 [\s\S]*measuring labels 20\/20 /);
  });

  it('plans for another planner and another GPU', async () => {
    const { status, stdout } = await voxfeed(
      'plan',
      EXAMPLES,
      '--out',
      store,
      '--planner',
      'resenc-l',
      '--gpu-memory-gb',
      '12',
      '--workers',
      '2',
    );
    expect(status).toBe(0);
    expect(stdout).toContain('nnUNetPlannerResEncL for 12 GB');
    expect(row(stdout, 'network size')).toEqual([expect.stringMatching(/ of 190\.0M$/), expect.stringMatching(/ of 1050\.0M$/)]);
    const path = join(store, 'nnUNetResEncUNetLPlans.json');
    expect(JSON.parse(readFileSync(path, 'utf8')).experiment_planner_used).toBe('nnUNetPlannerResEncL');
    rmSync(path);
  });

  it.each([
    [['--planner', 'nope'], 2, /error: --planner: "nope" is not known\. Choose one of default, resenc, resenc-m, resenc-l, resenc-xl/],
    [['--gpu-memory-gb', '0'], 2, /error: --gpu-memory-gb: 0 is not a number above 0/],
    [['--gpu-memory-gb=-8'], 2, /error: --gpu-memory-gb: -8 is not a number above 0/],
    [['--gpu-memory-gb', 'abc'], 2, /error: --gpu-memory-gb: "abc" is not a number above 0\. Give one\nusage: voxfeed plan/],
    [['--workers', '0'], 2, /error: --workers: 0 is not a whole number from 1/],
    [['--max-memory-gb', '0.00001'], 1, /error: .*20 cases cannot be used[\s\S]*takes up to/],
    [['more'], 2, /error: too many arguments for 'plan'/],
  ])('with %j ends with status %d and says why', async (words, status, message) => {
    const found = await voxfeed('plan', EXAMPLES, '--out', join(dir, 'refused'), ...words);
    expect(found).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(message) });
    expect(found.stderr).not.toMatch(/\n {4}at /);
  });
});

describe('preprocess', () => {
  it('follows the plans and the configuration that are given', async () => {
    const { status, stdout, stderr } = await voxfeed(
      'preprocess',
      EXAMPLES,
      'flat',
      '--plans',
      EXAMPLE_PLANS,
      '--config',
      '2d',
      '--json',
      '--workers',
      '2',
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ cases: 20, written: 20, configuration: '2d', patchSize: [56, 40], batchSize: 366 });
    expect(stderr).not.toContain('reading cases');
    expect(readFileSync(join(dir, 'flat/voxfeed.json'), 'utf8')).toContain('"configuration": "2d"');
  });

  it.each([
    [['--config', 'nope'], /error: .*nnUNetPlans\.json: there is no configuration "nope"\. Choose one of 2d, 3d_fullres/],
    [['--plans', 'nowhere.json'], /error: nowhere\.json: .*ENOENT/],
    [['--plans', join(EXAMPLES, 'dataset.json')], /error: .*dataset\.json: configurations: it is missing/],
    [['--max-memory-gb', '0.00001'], /error: .*20 cases cannot be used/],
  ])('with %j ends with status 1 and says why', async (words, message) => {
    const found = await voxfeed('preprocess', EXAMPLES, 'unused', ...(words[0] === '--plans' ? [] : ['--plans', EXAMPLE_PLANS]), ...words);
    expect(found).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(message) });
    expect(existsSync(join(dir, 'unused'))).toBe(false);
  });
});

describe('bench', () => {
  const words = ['--batches', '2', '--workers', '1', '--no-hash', '--json'];

  it('streams what was planned, for the configuration of the store or another one', async () => {
    expect(JSON.parse((await voxfeed('bench', store, ...words)).stdout)).toMatchObject({ patch: [40, 56, 40], batch: 2, oversample: 0.33 });
    const flat = JSON.parse((await voxfeed('bench', store, '--config', '2d', '--oversample', 'auto', ...words)).stdout);
    expect(flat).toMatchObject({ patch: [56, 40], batch: 29, oversample: Number(row(table, 'advice: --oversample')[0]) });
    expect(JSON.parse((await voxfeed('bench', store, '--config', '2d', '--batch', '4', ...words)).stdout)).toMatchObject({
      patch: [56, 40],
      batch: 4,
    });
  });

  it('refuses a configuration that is not there, and advice that is not', async () => {
    expect(await voxfeed('bench', store, '--config', '3d', ...words)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/error: .*nnUNetPlans\.json: there is no configuration "3d"\. Choose one of 2d, 3d_fullres/),
    });
    expect(await voxfeed('bench', store, '--patch', '9,9,9', '--oversample', 'auto', ...words)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("'auto' is known for patches of [1, 56, 40] and [40, 56, 40], not of [9, 9, 9]"),
    });
  });
});

describe('verify', () => {
  it('finds nothing in a store that is whole', async () => {
    const { status, stdout } = await voxfeed('verify', store);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^6\d files of 20 cases, 0 damaged or missing\n$/) });
  });

  it('names every damaged file, and ends with status 1', async () => {
    const copy = join(dir, 'damaged');
    cpSync(store, copy, { recursive: true });
    const image = join(copy, 'hippocampus_001.npy');
    const bytes = readFileSync(image);
    bytes[5000] ^= 4;
    writeFileSync(image, bytes);
    rmSync(join(copy, 'hippocampus_375_seg.npy'));
    const { status, stdout, stderr } = await voxfeed('verify', copy);
    expect(status).toBe(1);
    expect(stdout.split('\n').slice(0, 2)).toEqual([
      `${image}: its contents are not what was written`,
      `${join(copy, 'hippocampus_375_seg.npy')}: the file is missing`,
    ]);
    expect(stdout).toMatch(/\n6\d files of 20 cases, 2 damaged or missing\n$/);
    expect(stderr).toMatch(/error: .*: 2 of 6\d files are damaged or missing\./);
    const json = await voxfeed('verify', copy, '--json');
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      cases: 20,
      damaged: [{ path: image }, { path: join(copy, 'hippocampus_375_seg.npy') }],
    });
  });

  it('of no store says so', async () => {
    expect(await voxfeed('verify', 'nowhere')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('nowhere: it is not a finished voxfeed store'),
    });
    expect(await voxfeed('verify')).toMatchObject({ status: 2, stderr: expect.stringContaining("missing required argument 'STORE_DIR'") });
  });
});
