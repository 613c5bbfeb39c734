import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { grantedMemory } from '../../src/common/granted.ts';
import { type Machine, thisMachine } from '../../src/common/machine.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { commandLine } from '../fixtures/command-line.ts';
import { loaderFixture } from '../fixtures/loader.ts';

afterEach(() => vi.restoreAllMocks());

const SLOW_DISK = join(import.meta.dirname, '../fixtures/slow-disk-worker.ts');
const GIB = 1024 ** 3;
const shapes: Triple[] = [
  [32, 40, 40],
  [32, 40, 36],
];
const { dir, options } = await loaderFixture({ shapes, patchSize: [24, 24, 24], batchSize: 2 });

/** Whatever else runs here: a machine of which so many cores are idle. */
const machine = (free: number, cores = 16, memoryBytes = 64 * GIB): Machine => ({
  cores,
  memoryBytes,
  totalBytes: 64 * GIB,
  idleMs: () => free * performance.now(),
  // That is as it is: tests that run beside this one take cores.
  queuedMs: thisMachine().queuedMs,
});

/** A custom transform that takes its time: it computes, or it sleeps. */
function slowStep(name: string, ms: number, how: 'computes' | 'sleeps') {
  const body =
    how === 'sleeps'
      ? `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms});`
      : `const end = performance.now() + ${ms}; while (performance.now() < end);`;
  const module = join(dir, name);
  writeFileSync(module, `export default { apply() { ${body} } };`);
  return { transform: 'custom' as const, module, probability: 1 };
}

const seconds = 0.6;

describe('the doctor finds', () => {
  it('a throttled disk', async () => {
    await using loader = await PatchLoader.create({ ...options, cacheBytes: 0, augmentation: 'default' }, SLOW_DISK);
    const { bound, why, remedies, measured } = await loader.diagnose({ seconds, consumerMs: 0 }, machine(3));
    expect(bound, why).toBe('disk');
    expect(why).toMatch(/^A disk bounds the stream: workers wait for it in \d+ % of their time/);
    // Both cases would fit, and then nothing is read.
    expect(remedies[0].change).toMatch(/^`cacheBytes`: .* KiB, so that all 2 cases stay in memory$/);
    expect(measured.stages.read).toBeGreaterThan(0.5);
  });

  it('a slow custom transform', async () => {
    const slow = slowStep('slow.mjs', 20, 'computes');
    await using loader = await PatchLoader.create({ ...options, augmentation: [{ transform: 'gamma', probability: 1 }, slow] });
    const { bound, transform, why, remedies } = await loader.diagnose({ seconds, consumerMs: 0 }, machine(3));
    expect([bound, transform], why).toEqual(['augmentation', `custom ${slow.module}`]);
    expect(remedies[0].change).toBe(`a faster 'custom ${slow.module}', or a smaller probability`);
  });

  it('a consumer that holds batches', async () => {
    const augmentation = [slowStep('holding.mjs', 10, 'sleeps')];
    await using loader = await PatchLoader.create({ ...options, ring: 4, augmentation });
    const ended = new AbortController();
    const consumer = (async () => {
      const held = [];
      while (!ended.signal.aborted) {
        held.push(await loader.next());
        if (held.length > 3) held.shift()?.dispose();
      }
      for (const batch of held) batch.dispose();
    })();
    const { bound, why, remedies, measured } = await loader.diagnose({ seconds }, machine(3));
    ended.abort();
    await consumer;
    expect(bound, why).toBe('held batches');
    expect(measured.ring.held).toBeGreaterThan(2.5);
    expect(remedies.map(({ change }) => change)).toEqual([expect.stringMatching(/`using batch = …`/), '`ring`: 7, in place of 4']);
  });

  it('too few workers', async () => {
    await using loader = await PatchLoader.create({ ...options, workers: 1, augmentation: 'default' });
    const { bound, why, remedies } = await loader.diagnose({ seconds, consumerMs: 0 }, machine(3, 4));
    expect(bound, why).toBe('workers');
    // How many the loader's thread can feed depends on this machine; there are cores for three more.
    const wanted = Number(/^`workers`: ([234]), in place of 1$/.exec(remedies[0].change)?.[1]);
    expect(remedies.map(({ change, brings }) => [change, brings])).toEqual([
      [`\`workers\`: ${wanted}, in place of 1`, `up to ${wanted}.0 times as many batches`],
    ]);
  });

  it('too small a ring', async () => {
    const augmentation = [slowStep('ring.mjs', 10, 'sleeps')];
    await using loader = await PatchLoader.create({ ...options, ring: 1, augmentation });
    const { bound, why, remedies, measured } = await loader.diagnose({ seconds, consumerMs: 30 }, machine(3));
    expect(bound, why).toBe('ring');
    expect(remedies[0].change).toBe(`\`ring\`: ${measured.ring.wanted}, in place of 1`);
    // What it brings depends on how busy the machine is.
    expect(remedies[0].brings).toMatch(/nobody waits any more|up to .* times as many batches/);
  });

  it("a container's limit of memory", async () => {
    const augmentation = [slowStep('memory.mjs', 10, 'sleeps')];
    const given = { ...options, workers: 4, augmentation };
    const plenty = await PatchLoader.create({ ...given, cacheBytes: 0, ring: 2 });
    const { totalBytes } = plenty.memory();
    await plenty.close();
    // A loader takes half of what is granted.
    const granted = grantedMemory(container(2 * totalBytes));
    vi.spyOn(process, 'constrainedMemory').mockReturnValue(granted);
    await using loader = await PatchLoader.create(given);
    expect(loader.memory().limitBytes).toBe(totalBytes);
    const { bound, why, remedies, measured } = await loader.diagnose({ seconds, consumerMs: 5 }, machine(3, 16, granted));
    expect(bound, why).toBe('memory');
    expect(measured.ring.batches).toBeLessThan(measured.ring.wanted);
    expect(why).toMatch(/because of what the container or job grants\. So the ring has \d batches, and would have \d+/);
    expect(remedies[0].change).toMatch(/^a container or job with .* of memory/);
  });

  it('memory where cases do not stay in it and must be read again and again', async () => {
    const given = { ...options, workers: 1, batchSize: 1 };
    const plenty = await PatchLoader.create({ ...given, cacheBytes: 0 });
    const { totalBytes } = plenty.memory();
    await plenty.close();
    await using loader = await PatchLoader.create({ ...given, maxMemoryBytes: totalBytes + 70_000 }, SLOW_DISK);
    const { bound, why, remedies } = await loader.diagnose({ seconds, consumerMs: 0 }, machine(3));
    expect(bound, why).toBe('memory');
    expect(why).toMatch(/because of `maxMemoryBytes`\. So 0 of 2 cases stay in memory, the others are read each time\./);
    expect(remedies[0].change).toMatch(/^`maxMemoryBytes`: /);
  });

  it('nothing to change where the consumer is what takes time', async () => {
    await using loader = await PatchLoader.create(options);
    const { bound, why, remedies } = await loader.diagnose({ seconds: 0.5, consumerMs: 100 }, machine(3));
    expect(bound, why).toBe('consumer');
    expect(remedies.map(({ change }) => change)).toEqual(['`workers`: 1, in place of 2']);
  });

  it('nobody who asks for batches', async () => {
    await using loader = await PatchLoader.create(options);
    expect(await loader.diagnose({ seconds: 0.1 })).toMatchObject({ bound: 'nobody', remedies: [] });
  });
});

it('a closed loader has nothing to measure', async () => {
  const loader = await PatchLoader.create(options);
  await loader.close();
  // It does not measure first: that would take an hour.
  await expect(loader.diagnose({ seconds: 3600 })).rejects.toMatchObject({ code: 'VOXFEED_CLOSED' });
  const closing = await PatchLoader.create(options);
  const diagnosis = closing.diagnose({ seconds: 0.1 });
  await Promise.all([closing.close(), expect(diagnosis).rejects.toMatchObject({ code: 'VOXFEED_CLOSED' })]);
});

it('a consumer takes an hour a batch at most', async () => {
  await using loader = await PatchLoader.create(options);
  await expect(loader.diagnose({ consumerMs: 1e10 })).rejects.toThrow(
    'consumerMs: 10000000000 is not a number of milliseconds from 0 to 3600000, an hour. Give one',
  );
});

describe('voxfeed doctor', () => {
  it('says it in words with flags, and as JSON', async () => {
    const run = commandLine(dir);
    const words = ['doctor', 'store', '--patch', '24,24,24', '--batch', '2', '--seconds', '0.5', '--ring', '1', '--workers', '2'];
    const slow = join(dir, 'steps.json');
    writeFileSync(slow, JSON.stringify([slowStep('doctor.mjs', 10, 'sleeps')]));
    const { status, stdout } = await run(...words, '--augmentation', slow, '--consumer-ms', '30');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^bound by {13}ring\n {21}The ring is too small/);
    expect(stdout).toMatch(/^what to do {11}--ring \d+, in place of 1\n {21}brings: nobody waits any more; costs: .* MiB$/m);
    expect(stdout).toMatch(/^transforms {11}custom \S*doctor\.mjs \d\d %/m);
    expect((await run(...words, '--consumer-ms', '100000')).stdout).toMatch(/^bound by {13}consumer$/m);
    const json = await run(...words, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ bound: expect.any(String), measured: { workers: 2, consumerMs: 0, format: 'npy' } });
    expect((await run(...words, '--seconds', '0')).status).toBe(2);
    expect((await run('doctor', '--help')).stdout.replace(/\s+/g, ' ')).toContain('default: 0, a consumer that does nothing but ask');
    expect((await run(...words, '--consumer-ms', '1e12')).status).toBe(2);
  });
});

/** A made-up machine whose container grants so much memory. */
function container(bytes: number): string {
  const files = {
    'proc/self/mountinfo': '30 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
    'proc/self/cgroup': '0::/job\n',
    'sys/fs/cgroup/job/memory.max': `${bytes}\n`,
  };
  const root = join(dir, 'container');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
