import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, commandProcess } from '../fixtures/command-line.ts';
import { EXAMPLES, MAIN } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const store = join(dir, 'store');

const voxfeed = commandLine(dir);

/** What preprocessing prints for people. */
function report(written: number) {
  const [cases, sizes] = [`20 cases in ${store}, ${written} written now`, '3d_fullres: patch 40x56x40, batch 2'];
  return expect.stringMatching(new RegExp(`^${cases}\\n${sizes}\\nadvice: --oversample 0\\.33 \\(.+\\)\\n$`));
}

beforeAll(async () => {
  writeFileSync(join(dir, 'broken.json'), '[{');
  writeFileSync(join(dir, 'steps.json'), JSON.stringify([{ transform: 'spatial', rotationProbability: 1 }, { transform: 'mirror' }]));
  const made = await voxfeed('preprocess', EXAMPLES, store, '--workers', '2');
  expect(made).toMatchObject({ status: 0, stdout: report(20) });
});

describe('voxfeed', () => {
  it('says what it can do', async () => {
    const { status, stdout } = await voxfeed('--help');
    expect(status).toBe(0);
    for (const command of ['plan', 'preprocess', 'verify', 'bench', 'inspect', 'demo']) {
      expect(stdout).toContain(`voxfeed ${command}`);
      expect(await voxfeed(command, '--help')).toMatchObject({
        status: 0,
        stderr: '',
        stdout: expect.stringContaining(`usage: voxfeed ${command}`),
      });
    }
  });

  it.each([
    [[], ''],
    [['trian'], "unknown command 'trian'"],
    [['preprocess', 'only-one'], "missing required argument 'OUT_DIR'"],
    [['bench', 'a', 'b'], "too many arguments for 'bench'"],
    [['bench', 'a', '--wrokers', '2'], "unknown option '--wrokers'"],
    [['bench', 'a', '--batches', '0'], '--batches: 0 is not a whole number from 1'],
    [['bench', 'a', '--batches', 'many'], '--batches: "many" is not a whole number'],
    [['bench', 'a', '--configs', '3d_fullres:3:1'], '--configs: "3d_fullres:3:1" is not a list of 1 to'],
    [['inspect', 'a', '--configs', '2d:much'], '--configs: "2d:much" is not a list'],
    [['preprocess', 'a', 'b', '--workers', '1.5'], '--workers: 1.5 is not a whole number'],
    [['inspect', store, '--augment', '--batches', '2'], '--batches is for contact sheets'],
    [['bench', store, '--augmentation', join(dir, 'broken.json')], 'broken.json: it is not JSON'],
  ])('%j is answered with the usage and status 2', async (words, message) => {
    const { status, stdout, stderr } = await voxfeed(...words);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/usage: voxfeed|voxfeed COMMAND --help/);
  });

  it.each([
    [['bench', 'nowhere'], /error: nowhere: it is not a finished voxfeed store/],
    [['inspect', 'nowhere'], /error: nowhere: it is not a finished voxfeed store/],
    [['preprocess', 'nowhere', 'out'], /error: nowhere.dataset\.json: there is no such file/],
    [['bench', store, '--patch', '0,1,1'], /error: --patch: "0,1,1" is not three sizes in voxels above 0, such as 40,56,40/],
    [['bench', store, '--batch=-1'], /error: --batch: -1 is not a whole number from 1/],
    [['bench', store, '--cache-gb=-1'], /error: --cache-gb: "-1" is not a size in GiB, 0 or more/],
    [['bench', store, '--pad-mode', 'wrap'], /error: --pad-mode: "wrap" is not known. Choose one of constant, edge, reflect/],
    [['preprocess', EXAMPLES, MAIN], /error: .*main\.ts: it is a file\. Give a folder/],
    [['preprocess', EXAMPLES, join(MAIN, 'x')], /error: .*main\.ts.x: .*ENOTDIR/],
    [['bench', store, '--oversample', '33'], /error: --oversample: "33" is not a fraction from 0 to 1, auto, or/],
    [['bench', store, '--fold', '5'], /error: --fold: .*splits_final\.json has no fold 5/],
    [['bench', store, '--validation'], /error: --validation: no fold says which cases/],
    [['bench', store, '--configs', '3d_fullres:0'], /error: --configs: the weights 0 .*add up to 0/],
    [['bench', store, '--configs', '3d_fullres,2d', '--batch', '2'], /error: --batch: it is given beside --configs/],
    [['bench', store, '--rank', '0'], /error: --rank: 0 is one of how many is not said. Give --world-size too/],
    [['bench', store, '--max-memory-gb', 'Infinity'], /error: --max-memory-gb: "Infinity" is not a size in GiB/],
    [['preprocess', EXAMPLES, 'out', '--max-memory-gb', 'Infinity'], /error: --max-memory-gb: "Infinity" is not a size in GiB, above 0/],
    [['preprocess', EXAMPLES, 'out', '--max-memory-gb', '0.0001'], /Allow more with --max-memory-gb/],
    [['bench', store, '--max-memory-gb', '0.001'], /error: --max-memory-gb: the loader needs/],
    [['bench', store, '--augmentation', 'strong'], /error: --augmentation: there is no preset "strong"/],
    [['bench', store, '--augmentation', 'nowhere.json'], /error: nowhere\.json: no such file or directory/],
    [['inspect', store, '--augment', '--augmentation', 'none'], /error: --augmentation: no step of it changes/],
  ])('%j fails with one line and a status above 0', async (words, message) => {
    const { status, stdout, stderr } = await voxfeed(...words);
    expect(status).toBeGreaterThan(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});

describe('bench', () => {
  const words = ['bench', store, '--ring', '2', '--patch', '40,56,40', '--batch', '9', '--batches', '10', '--seed', '7', '--json'];

  it('prints JSON and nothing else, with one hash for any number of workers', async () => {
    const reports = [];
    for (const workers of ['1', '2', '4']) {
      const { status, stdout } = await voxfeed(...words, '--workers', workers);
      expect(status).toBe(0);
      reports.push(JSON.parse(stdout));
    }
    for (const report of reports) {
      expect(Object.keys(report)).toEqual(
        expect.arrayContaining([
          'patches_per_second',
          'cpu_ms_per_patch',
          'wait_fraction',
          'stream_hash',
          'foreground',
          'peak_rss_bytes',
          'workers',
          'environment',
        ]),
      );
      expect(report.foreground).toMatchObject({ forced: 30, patches: 90 });
      expect(report.stream_hash).toMatch(/^[0-9a-f]{16}$/);
    }
    expect(reports.map(({ workers }) => workers)).toEqual([1, 2, 4]);
    expect(new Set(reports.map(({ stream_hash }) => stream_hash)).size).toBe(1);
  });

  it('gives no rate out of fewer batches than the ring holds', async () => {
    const few = ['bench', store, '--ring', '4', '--patch', '40,56,40', '--batches', '3', '--no-hash'];
    const { stdout } = await voxfeed(...few);
    expect(stdout).toMatch(/^patches per second {3}too few to tell: give more --batches\nCPU time per patch {3}too few to tell\n/m);
    const report = JSON.parse((await voxfeed(...few, '--json')).stdout);
    expect(report).toMatchObject({ patches_per_second: null, cpu_ms_per_patch: null, too_few: true, batches: 3 });
  });

  it('streams augmented batches, named or listed in a file', async () => {
    const hashes = new Set<string>();
    for (const more of [
      [],
      ['--augmentation', 'default'],
      ['--augmentation', join(dir, 'steps.json')],
      ['--nnunet-compat', '--augmentation', 'default'],
    ]) {
      const { status, stdout, stderr } = await voxfeed(...words, '--batches', '2', ...more, '--deep-supervision');
      expect(status, stderr).toBe(0);
      hashes.add(JSON.parse(stdout).stream_hash);
    }
    expect(hashes.size).toBe(4);
  });

  it('mixes configurations, and measures the training or the validation cases of a fold', async () => {
    const run = async (...more: string[]) =>
      JSON.parse((await voxfeed('bench', store, '--batches', '8', '--seed', '7', '--json', ...more)).stdout);
    const mixed = await run('--configs', '3d_fullres:3,2d', '--workers', '2');
    expect(mixed.configs).toEqual({ '3d_fullres': { batches: 6, patches: 12 }, '2d': { batches: 2, patches: expect.any(Number) } });
    expect((await run('--configs', '3d_fullres:3,2d', '--workers', '1')).stream_hash).toBe(mixed.stream_hash);
    const [all, fold, validation] = [await run(), await run('--fold', '0'), await run('--fold', '0', '--validation')];
    expect(new Set([all, fold, validation].map((report) => report.stream_hash)).size).toBe(3);
    expect((await run('--fold', 'all')).stream_hash).toBe(all.stream_hash);
    expect(validation.memory.parts[1].name).toBe('validation ring');
  });

  it('leaves the hash out when asked to', async () => {
    expect(JSON.parse((await voxfeed(...words, '--batches', '2', '--no-hash')).stdout).stream_hash).toBeNull();
  });

  it('prints lines for people without --json, and streams 2D patches', async () => {
    const { status, stdout } = await voxfeed('bench', store, '--patch', '56,40', '--batch', '12', '--batches', '5', '--workers', '1');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^patch, batch +56x40, 12\nworkers +1\npatches per second +(\d|too few to tell: give more --batches\n)/);
    expect((await voxfeed('bench', store, '--configs', '3d_fullres:4,2d', '--batches', '5')).stdout).toMatch(
      /^batches \(patches\) +3d_fullres 4 \(8\), 2d 1 \(/,
    );
  });
});

describe('the process', () => {
  it.each([
    [['--version'], 0],
    [[], 2],
    [['verify', 'nowhere'], 1],
  ])('of %j ends with the status %d, and prints what the command prints', async (words, status) => {
    const printed = await voxfeed(...words);
    expect(printed.status).toBe(status);
    expect(commandProcess(dir)(...words)).toEqual(printed);
  });
});

describe('a pipe that nobody reads to the end', () => {
  it('is no error', () => {
    const { stdout, stderr } = spawnSync('sh', ['-c', '"$0" "$1" --help | true; "$0" "$1" bench --help | true', process.execPath, MAIN], {
      encoding: 'utf8',
    });
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
  });
});

describe('inspect', () => {
  it('prints JSON alone when asked to', async () => {
    const { stdout } = await voxfeed('inspect', store, '--out', 'json.png', '--json');
    expect(JSON.parse(stdout)).toEqual({ sheet: join(dir, 'json.png'), batches: 1 });
  });

  it('writes a picture and says where', async () => {
    const { status, stdout } = await voxfeed('inspect', store, '--batches', '1', '--out', 'pictures/sheet.png');
    expect(status).toBe(0);
    expect(stdout).toBe(`${join(dir, 'pictures/sheet.png')}\n`);
    expect(decode(readFileSync(stdout.trim())).width).toBeGreaterThan(400);
    expect(readdirSync(join(dir, 'pictures'))).toEqual(['sheet.png']);
  });

  it('draws a row before and after each step of an augmentation', async () => {
    const heights: number[] = [];
    for (const name of ['default', join(dir, 'steps.json')]) {
      const { status, stdout } = await voxfeed('inspect', store, '--augment', '--augmentation', name, '--out', 'augment.png', '--json');
      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toEqual({ sheet: join(dir, 'augment.png') });
      heights.push(decode(readFileSync(join(dir, 'augment.png'))).height);
    }
    // Rotation, scaling, seven intensity transforms and mirroring; rotation, scaling and mirroring.
    const row = (heights[0] - heights[1]) / 7;
    expect(row).toBeGreaterThan(100);
    expect(Number.isInteger(row)).toBe(true);
  });

  it('draws batches of several configurations, or of validation', async () => {
    for (const words of [
      ['--configs', '3d_fullres:1,2d:1', '--batches', '2'],
      ['--fold', '0', '--validation'],
    ]) {
      const { status, stdout } = await voxfeed('inspect', store, ...words, '--out', 'more.png');
      expect(status).toBe(0);
      expect(decode(readFileSync(stdout.trim())).width).toBeGreaterThan(400);
    }
  });

  it('leaves nothing behind where it cannot write', async () => {
    mkdirSync(join(dir, 'taken.png'));
    const { status, stderr } = await voxfeed('inspect', store, '--out', 'taken.png');
    expect(status).toBe(1);
    expect(stderr).toMatch(/error: .*taken\.png/);
    expect(existsSync(join(dir, 'taken.png.voxfeed-partial'))).toBe(false);
  });
});

describe('preprocess', () => {
  it('has nothing to do the second time', async () => {
    expect(await voxfeed('preprocess', EXAMPLES, store)).toMatchObject({ status: 0, stdout: report(0) });
  });

  it('reports as JSON alone when asked to', async () => {
    const { stdout } = await voxfeed('preprocess', EXAMPLES, store, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      cases: 20,
      written: 0,
      configuration: '3d_fullres',
      patchSize: [40, 56, 40],
      batchSize: 2,
      oversampling: { recommended: 0.33 },
      options: { channels: ['MRI'], normalisation: [{ scheme: 'zscore', masked: false }] },
    });
  });
});
