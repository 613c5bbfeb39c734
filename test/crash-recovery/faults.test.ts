import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SampleError, WorkerError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { faultyLoader, forgetFaults } from '../fixtures/faulty-loader.ts';
import type { Faults } from '../fixtures/faulty-worker.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';
import { Warnings } from '../fixtures/warnings.ts';

const { dir, options } = await loaderFixture({
  shapes: [
    [12, 20, 17],
    [16, 16, 16],
    [10, 14, 12],
  ],
  batchSize: 4,
  seed: 11,
});
let expected: string[];

beforeAll(async () => {
  expected = await undisturbedHashes(options, 30);
});

afterEach(forgetFaults);

const faulty = (faults: Faults['faults'], more: Partial<LoaderOptions> = {}): Promise<PatchLoader> =>
  faultyLoader(dir, faults, { ...options, ...more });

/** Runs a module in a process of its own, with `store` opened. What comes before in the shell may set limits. */
function script(body: string, before = '') {
  const code = `
    import { openStore, PatchLoader } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href)};
    const store = await openStore(${JSON.stringify(join(dir, 'store'))});
    ${body}`;
  const words = ['-c', `${before} exec "$0" "$@"`, process.execPath, '--input-type=module', '--eval', code];
  return spawnSync('sh', words, { encoding: 'utf8', timeout: 60_000 });
}

describe('a worker that fails once', () => {
  it.each(['exit', 'throw', 'uncaught', 'out of memory'] as const)('(%s) is not noticed in the stream', async (kind) => {
    await using loader = await faulty([{ sample: 17, kind, times: 1 }]);
    expect(await streamHashes(loader, 30)).toEqual(expected);
    const { redone, workerRestarts } = loader.metrics();
    expect(redone).toBeGreaterThanOrEqual(1);
    expect(workerRestarts).toBe(kind === 'throw' ? 0 : 1);
  });

  it('over many samples, with one worker and a ring of one batch, is not noticed either', async () => {
    const faults = [3, 4, 5, 40, 77, 78].map((sample) => ({ sample, kind: 'exit', times: 1 }) as const);
    await using loader = await faulty(faults, { workers: 1, ring: 1 });
    expect(await streamHashes(loader, 30)).toEqual(expected);
    expect(loader.metrics().workerRestarts).toBe(faults.length);
  });

  it('and whose replacements die while they start is replaced until one lives', async () => {
    await using loader = await faulty(
      [
        { sample: 17, kind: 'exit', times: 1 },
        { sample: -1, kind: 'start', times: 4 },
      ],
      { workers: 1 },
    );
    expect(await streamHashes(loader, 30)).toEqual(expected);
    expect(loader.metrics().workerRestarts).toBeGreaterThan(1);
  });
});

describe('a sample that fails again and again', () => {
  it.each([
    { kind: 'throw', times: 2, count: 'twice', cause: 'this sample does not please' },
    { kind: 'uncaught', times: 2, count: 'twice', cause: 'nobody caught this' },
    { kind: 'exit', times: 5, count: '5 times', cause: 'exited with code: 3' },
  ] as const)(
    '($kind) ends the run after $times times with one error that names case, box and cause',
    async ({ kind, times, count, cause }) => {
      await using loader = await faulty([{ sample: 17, kind, times }]);
      // Sample 17 belongs to batch 4; the batches before it are still handed out.
      expect(await streamHashes(loader, 4)).toEqual(expected.slice(0, 4));
      const error: Error = await loader.next().catch((reason) => reason);
      expect(error).toBeInstanceOf(SampleError);
      expect(error.message).toMatch(
        new RegExp(`^sample 17 \\(case case_00\\d, box from \\[.*\\], shape \\[8, 9, 10\\]\\): it failed ${count}`),
      );
      expect(error.message).toContain(cause);
      await expect(loader.next()).rejects.toBe(error);
      expect(loader.state().nextBatch).toBe(4);
    },
  );
});

describe('a worker that stands still', () => {
  it.each(['loop', 'wait'] as const)('(%s) is named, replaced, and not noticed in the stream', async (kind) => {
    using warnings = new Warnings();
    await using loader = await faulty([{ sample: 17, kind, times: 1 }], { stallSeconds: 2 });
    expect(await streamHashes(loader, 30)).toEqual(expected);
    expect(loader.metrics().workerRestarts).toBeGreaterThanOrEqual(1);
    expect(await warnings.seen()).toContainEqual(
      expect.stringMatching(
        /^sample 17 \(case case_00\d, box .*\): it made no progress for 2 s while .*\. Its worker is replaced, and the sample made again; `stallSeconds`/,
      ),
    );
  });

  it('over the same sample again ends the run', async () => {
    await using loader = await faulty([{ sample: 17, kind: 'loop', times: 2 }], { stallSeconds: 1 });
    const error: Error = await streamHashes(loader, 30).catch((reason) => reason);
    expect(error).toBeInstanceOf(SampleError);
    expect(error.message).toMatch(/^sample 17 .* it failed twice, the last time with: it made no progress for 1 s while/);
  });

  it('is named with the step that it is at', async () => {
    const module = join(dir, 'loops.mjs');
    writeFileSync(module, 'export default { apply() { for (;;); } };');
    const steps = [
      { transform: 'gamma', probability: 0 },
      { transform: 'custom', module },
    ] as LoaderOptions['augmentation'] & object;
    await using loader = await PatchLoader.create({ ...options, augmentation: steps, stallSeconds: 1, workers: 1, ring: 1 });
    await expect(loader.next()).rejects.toThrow(/it made no progress for 1 s while step 1 of the augmentation \('custom'\) was under way/);
  });
});

describe('a worker in a system call that does not return', () => {
  it('keeps neither close() nor the process from ending', () => {
    const [fifo, module, begun] = ['fifo', 'reads.mjs', 'begun'].map((name) => join(dir, name));
    spawnSync('mkfifo', [fifo]);
    const [pipe, marker] = [fifo, begun].map((path) => JSON.stringify(path));
    writeFileSync(
      module,
      `import { readFileSync, writeFileSync } from 'node:fs';
      export default { apply() { writeFileSync(${marker}, ''); readFileSync(${pipe}); } };`,
    );
    const run = script(`
      import { existsSync } from 'node:fs';
      const augmentation = [{ transform: 'custom', module: ${JSON.stringify(module)} }];
      const loader = await PatchLoader.create({ store, patchSize: [8, 8, 8], batchSize: 2, workers: 1, augmentation });
      const waiting = loader.next().catch((error) => error.code);
      while (!existsSync(${marker})) await new Promise((done) => setTimeout(done, 10));
      await loader.close();
      console.log('closed', await waiting);
      process.exitCode = 5;`);
    expect(run).toMatchObject({ stdout: 'closed VOXFEED_CLOSED\n', status: 5, signal: null });
    expect(run.stderr).toMatch(/VoxfeedWarning: A worker thread hangs in a system call and cannot be ended/);
  });
});

describe('threads that the system does not give', () => {
  it('are an error of create that names the limits', () => {
    const { stdout } = script(
      `await PatchLoader.create({ store, patchSize: [8, 8, 8], batchSize: 2, workers: 40 }).catch((error) => console.log(error.message));`,
      'ulimit -n 100;',
    );
    expect(stdout).toMatch(/^workers: the system starts no more threads \(.*\)\. Use fewer `workers`, or raise its limits/);
  });

  it('are an error of the stream, too, once no worker is left', () => {
    const { stdout, stderr, status } = script(
      `
      import { openSync } from 'node:fs';
      /** Takes every descriptor that is left. */
      const starve = () => { try { for (;;) openSync('/dev/null'); } catch {} };
      const workers = [];
      process.on('worker', (worker) => { worker.prependListener('exit', starve); workers.push(worker); });
      const loader = await PatchLoader.create({ store, patchSize: [8, 8, 8], batchSize: 2, workers: 2, ring: 2 });
      starve();
      for (const worker of workers) void worker.terminate();
      try { for (;;) { using batch = await loader.next(); } } catch (error) { console.log(error.message); }
      await loader.close();`,
      'ulimit -n 150;',
    );
    expect(stdout).toMatch(/^workers: the system starts no more threads \(/);
    expect(stderr).toMatch(/VoxfeedWarning: A worker died and the system starts no more threads/);
    expect(status).toBe(0);
  });
});

describe('workers that never come up', () => {
  it('are an error, not a hang', async () => {
    await expect(PatchLoader.create(options, join(dir, 'no-such-worker.ts'))).rejects.toThrow(WorkerError);
    await expect(PatchLoader.create(options, join(dir, 'no-such-worker.ts'))).rejects.toThrow(
      /a worker thread cannot start .*no-such-worker.*\. Check the installation/,
    );
  });

  it('because they die are not blamed on the installation', async () => {
    const module = join(dir, 'exits.mjs');
    writeFileSync(
      module,
      "import { isMainThread } from 'node:worker_threads'; if (!isMainThread) process.exit(7); export default { apply() {} };",
    );
    await expect(PatchLoader.create({ ...options, augmentation: [{ transform: 'custom', module }] })).rejects.toThrow(
      /^workers: worker threads died 3 times while they started \(worker exited with code: 7\)\. Check memory, /,
    );
  });
});
