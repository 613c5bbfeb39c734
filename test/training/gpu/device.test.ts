import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { adapterReport } from '../../../src/training/gpu/adapter-report.ts';
import { DAWN_SWITCHES, Gpu, INSTALL_WEBGPU, WEBGPU_VERSION } from '../../../src/training/gpu/device.ts';
import { kernel, write } from '../../../src/training/gpu/kernel.ts';
import { memory, shareBuffers } from '../../../src/training/gpu/memory.ts';
import { Program } from '../../../src/training/gpu/program.ts';
import { HISTORY, type StepResult, TrainingStep } from '../../../src/training/training-step.ts';
import { flatNetwork } from '../../fixtures/networks.ts';
import { openGpu, TILINGS } from '../gpu.ts';

const gpu = await openGpu();

test('without an adapter, the error says what to install', () => {
  const device = join(import.meta.dirname, '../../../src/training/gpu/device.ts');
  const script = `import { Gpu } from ${JSON.stringify(device)}; await Gpu.open().catch((error) => { console.log(error.code, error.message); process.exit(3); });`;
  const env = { ...process.env, VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' };
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env });
  expect(stdout).toMatch(/VOXFEED_GPU GPU: there is no adapter.*mesa-vulkan-drivers/s);
  expect(status).toBe(3);
});

test('Dawn knows the switches that are set: of unknown ones it says nothing', () => {
  const webgpu = join(import.meta.dirname, '../../../node_modules/webgpu/dist');
  const builds = globSync('*/dawn.node', { cwd: webgpu }).map((path) => readFileSync(join(webgpu, path)));
  expect(builds.length).toBeGreaterThan(0);
  // Linkers let a name be the end of a longer text.
  for (const name of DAWN_SWITCHES) for (const build of builds) expect(build.includes(`${name}\0`), name).toBe(true);
});

test('the release of Dawn is the one that package.json names, in errors and in the documentation', () => {
  const root = join(import.meta.dirname, '../../..');
  const { peerDependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect([peerDependencies.webgpu, devDependencies.webgpu]).toEqual([WEBGPU_VERSION, WEBGPU_VERSION]);
  expect(INSTALL_WEBGPU).toContain(`webgpu@${WEBGPU_VERSION}`);
  expect(readFileSync(join(root, 'docs/training.md'), 'utf8')).toContain(`npm install webgpu@${WEBGPU_VERSION}`);
});

test('an adapter is reported with what it offers; in float32 nothing experimental is asked for', async () => {
  const report = await adapterReport();
  expect(report).toMatchObject({ name: gpu.name, software: gpu.software, precision: gpu.units === null ? 'float32' : 'mixed' });
  expect(report.features.includes('shader-f16')).toBe(gpu.hasHalf);
  expect(report.limits.maxBufferSize).toBe(gpu.limits.maxBufferSize);
  expect(report.matrixConfigs.length > 0).toBe(report.features.includes('chromium-experimental-subgroup-matrix'));
  const own = await Gpu.open('float32');
  expect(own).toMatchObject({ hasHalf: false, units: null });
  expect([...own.device.features].filter((name) => /f16|subgroup/.test(name))).toEqual([]);
  own.close();
});

test('what exceeds a limit is refused with the name of the kernel and the limit', async () => {
  const target = memory('target', 4);
  const made = kernel({
    name: 'too greedy',
    bindings: [write('target', target)],
    threads: 64,
    groups: 1,
    body: 'target[INDEX % 4u] = 1.0;',
  });
  await expect(Program.compile(gpu, [{ ...made, workgroupBytes: 1e6 }])).rejects.toThrow(
    /^too greedy: .*1000000 bytes.*maxComputeWorkgroupStorageSize/,
  );
  await expect(Program.compile(gpu, [{ ...made, threads: 1e6 }])).rejects.toThrow(/^too greedy: .*maxComputeInvocationsPerWorkgroup/);
});

test('an error that nobody asked for is fatal', async () => {
  const own = await Gpu.open();
  own.device.createBuffer({ label: 'bad buffer', size: 4, usage: 0xffff });
  await expect(own.done().then(() => own.done())).rejects.toThrow(/bad buffer/);
  expect(() => own.check()).toThrow(/bad buffer/);
  own.close();
});

test('a device that is lost is fatal to whoever waits', async () => {
  const own = await Gpu.open();
  const waiting = own.orFailure(new Promise(() => {}));
  own.device.destroy();
  await expect(waiting).rejects.toThrow(/the device was lost/);
});

test('buffers are shared by what is never needed at once', () => {
  const spans = [
    { bytes: 100, from: 0, to: 1 },
    { bytes: 50, from: 1, to: 2 },
    { bytes: 80, from: 2, to: 3 },
    { bytes: 200, from: 3, to: 5 },
  ];
  const { buffer, bytes } = shareBuffers(spans);
  for (const [i, a] of spans.entries())
    for (const [j, b] of spans.entries()) if (i < j && buffer[i] === buffer[j]) expect(a.to < b.from || b.to < a.from).toBe(true);
  expect(bytes.length).toBe(2);
  for (const [i, span] of spans.entries()) expect(bytes[buffer[i]]).toBeGreaterThanOrEqual(span.bytes);
});

const tiny = (): Promise<TrainingStep> =>
  TrainingStep.create(gpu, {
    network: flatNetwork([2, 3]),
    patchSize: [8, 8],
    batch: 2,
    channels: 1,
    classes: 2,
    heads: 1,
    tiling: TILINGS.direct,
    batchDice: true,
    ignore: null,
  });

test('masks of a byte a voxel are no labels to learn', async () => {
  const step = await tiny();
  expect(() => step.upload(new Float32Array(128), [new Uint8Array(128)])).toThrow('batch: its targets are not one label a voxel');
  step.destroy();
});

test('results that are waited for after other steps were submitted are those of the steps before', async () => {
  const image = new Float32Array(128).map((_, i) => Math.sin(i));
  const labels = new Int16Array(128).map((_, i) => i % 2);
  const found: StepResult[][] = [];
  for (const late of [false, true]) {
    const step = await tiny();
    step.load(step.unet.parameters.initial(1), null);
    const results: StepResult[] = [];
    let reading: Promise<StepResult[]> = Promise.resolve([]);
    for (let i = 0; i < 2 * HISTORY + 5; i++) {
      step.upload(image, [labels]);
      step.train(0.01);
      if (!late) results.push(...(await step.results()));
      else if ((i + 1) % HISTORY === 0) {
        results.push(...(await reading));
        reading = step.results();
      } else if (i % 2 === 1) await gpu.done();
    }
    results.push(...(await reading), ...(await step.results()));
    found.push(results);
    step.destroy();
  }
  expect(found[0]).toHaveLength(2 * HISTORY + 5);
  expect(new Set(found[0].map(({ loss }) => loss)).size).toBeGreaterThan(HISTORY);
  expect(found[1]).toEqual(found[0]);
});

test('memory stays flat over 200 steps', async () => {
  const step = await tiny();
  step.load(step.unet.parameters.initial(1), null);
  const image = new Float32Array(128).map((_, i) => Math.sin(i));
  const labels = new Int16Array(128).map((_, i) => i % 2);
  const run = async (steps: number): Promise<void> => {
    for (let i = 0; i < steps; i++) {
      step.upload(image, [labels]);
      step.train(0.01);
      await gpu.done();
      if (i % 50 === 49) await step.results();
    }
  };
  await run(100);
  const before = process.memoryUsage().rss;
  await run(200);
  const grown = process.memoryUsage().rss - before;
  step.destroy();
  // Two copies of the network a step would be more; garbage of the run is less.
  expect(grown).toBeLessThan(48 * 2 ** 20);
});
