import { expect, test, vi } from 'vitest';
import type { Network } from '../../src/plans/network.ts';
import { type Kernel, kernel, read, write } from '../../src/training/gpu/kernel.ts';
import { memory } from '../../src/training/gpu/memory.ts';
import { Program } from '../../src/training/gpu/program.ts';
import { tilingFor } from '../../src/training/gpu/tile.ts';
import { TrainingStep } from '../../src/training/training-step.ts';
import { flatNetwork, PROSTATE_STRIDES } from '../fixtures/networks.ts';
import { Bounds } from './bounds.ts';
import { openGpu, runKernels, TILINGS } from './gpu.ts';

const gpu = await openGpu();

const [source, result] = [memory('source', 8), memory('result', 8)];
const copy = (body: string): Kernel =>
  kernel({
    name: 'copy',
    bindings: [read('source', source), write('result', result)],
    threads: 4,
    groups: 1,
    declarations: 'var<workgroup> block: array<f32, 4>;',
    body: `block[THREAD] = source[THREAD];\n${body}`,
  });

test.each([
  ['result[THREAD] = block[3u - THREAD];', []],
  ['result[THREAD] = source[2u * THREAD + 2u];', ['copy: source, which has 8 elements']],
  ['result[THREAD - 1u] = 0.0;', ['copy: result, which has 8 elements']],
  ['result[THREAD] = block[u32(source[4u * THREAD + 1u]) % 4u];', ['copy: source, which has 8 elements']],
  ['result[THREAD] = block[THREAD + 1u];', ['copy: block, which has 4 elements']],
])('a kernel with %s', async (body, left) => {
  const told = await runKernels(gpu, [copy(body)], [[source, [1, 2, 3, 4, 5, 6, 7, 8]]]).then(
    () => '',
    (error: Error) => error.message,
  );
  if (left.length === 0) expect(told).toBe('');
  for (const each of left) expect(told).toContain(each);
});

type Way = 'direct' | 'wide' | 'mixed';
const FLAT = flatNetwork([9, 10]);
const THICK: Network = {
  ...FLAT,
  kind: 'residual',
  strides: PROSTATE_STRIDES.slice(0, 2),
  kernels: [
    [1, 3, 3],
    [3, 3, 3],
  ],
};
const NETWORKS: { network: Network; patchSize: number[]; way: Way }[] = [
  ...(['direct', 'wide', 'mixed'] as const).map((way) => ({ network: THICK, patchSize: [3, 16, 6], way })),
  { network: FLAT, patchSize: [8, 12], way: 'mixed' },
];

test.each(NETWORKS)(
  'every kernel of a step keeps to its memories: $network.kind, patch $patchSize, $way',
  async ({ network, patchSize, way }) => {
    const bounds = new Bounds();
    const programs: Program[] = [];
    const compile = Program.compile;
    vi.spyOn(Program, 'compile').mockImplementation(async (gpu, kernels, pipelines) => {
      bounds.watch(kernels);
      programs.push(await compile.call(Program, gpu, kernels, pipelines));
      return programs[0];
    });
    const step = await TrainingStep.create(gpu, {
      network,
      patchSize,
      batch: 2,
      channels: 2,
      classes: 3,
      heads: 1,
      batchDice: true,
      ignore: 2,
      precision: way === 'mixed' ? 'mixed' : 'float32',
      tiling: way === 'mixed' ? tilingFor(gpu, 'mixed') : TILINGS[way],
    });
    vi.restoreAllMocks();
    step.load(step.unet.parameters.initial(0), null);
    const voxels = patchSize.reduce((all, size) => all * size, 2);
    const targets = step.unet.logits.map(({ shape }) =>
      Int16Array.from({ length: 2 * shape[0] * shape[1] * shape[2] }, (_, i) => (i % 4) - 1),
    );
    step.upload(
      new Float32Array(2 * voxels).map((_, i) => Math.sin(i)),
      targets,
    );
    step.train(0.01);
    expect((await step.results())[0].loss).toBeGreaterThan(-1);
    expect(programs).toHaveLength(1);
    await bounds.expectKept(programs[0]);
    step.destroy();
  },
);
