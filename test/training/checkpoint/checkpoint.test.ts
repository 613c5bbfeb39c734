import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Checkpoint, readCheckpoint, readNumbers, writeCheckpoint } from '../../../src/training/checkpoint.ts';
import type { Parameter } from '../../../src/training/network/parameters.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const LIST = [
  { name: 'a', shape: [2, 2], offset: 0 },
  { name: 'b', shape: [2], offset: 4 },
] as unknown as Parameter[];

const CONTENT = {
  epoch: 3,
  options: {
    configuration: '3d_fullres',
    network: {
      kind: 'plain' as const,
      features: [4, 8],
      strides: [
        [1, 1, 1],
        [2, 2, 2],
      ],
      kernels: [
        [3, 3, 3],
        [3, 3, 3],
      ],
      encoder: [1, 1],
      decoder: [1],
    },
    patchSize: [8, 8, 8],
    batch: 2,
    channels: 1,
    classes: 2,
    ignore: null,
    batchDice: false,
    scales: 1,
    precision: 'float32' as const,
    epochs: 5,
    iterations: 2,
    validationIterations: 1,
    learningRate: 0.01,
    seed: 0,
  },
  lossScale: null,
  batches: {} as Checkpoint['batches'],
  history: [],
};

async function written(values = Float32Array.of(1, 2, 3, 4, 5, 6), dir = temporaryFolder()): Promise<string> {
  await writeCheckpoint(dir, CONTENT, LIST, { values, momentum: new Float32Array(6) });
  return dir;
}

describe('a checkpoint', () => {
  it('comes back as it was', async () => {
    const dir = await written();
    const checkpoint = (await readCheckpoint(dir)) as Checkpoint;
    expect(checkpoint).toMatchObject(CONTENT);
    const { values, momentum } = await readNumbers(dir, checkpoint, LIST, 6);
    expect([[...values], [...momentum]]).toEqual([
      [1, 2, 3, 4, 5, 6],
      [0, 0, 0, 0, 0, 0],
    ]);
    expect(await readCheckpoint(temporaryFolder())).toBeNull();
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('with the weight %d is refused', async (bad) => {
    const dir = await written(Float32Array.of(1, 2, 3, 4, 5, bad));
    const checkpoint = (await readCheckpoint(dir)) as Checkpoint;
    await expect(readNumbers(dir, checkpoint, LIST, 6)).rejects.toMatchObject({
      name: 'CheckpointError',
      where: join(dir, 'network-3.safetensors'),
      what: `b has the value ${bad}: the training that wrote it went astray`,
    });
  });

  it.each<[string, string | ((checkpoint: Checkpoint) => unknown), string]>([
    ['is cut off', '{"format": ', 'it is not JSON'],
    ['is null', 'null', 'it is no checkpoint'],
    ['is of another kind', '{"format": "voxfeed-state", "version": 1}', 'it is no checkpoint'],
    [
      'names files outside of its folder',
      (c) => ({ ...c, files: { ...c.files, network: '../../other' } }),
      'files.network: "../../other" is not a name',
    ],
    ['has no options', ({ options: _, ...c }) => c, 'options: it is missing'],
    [
      'has a patch of texts',
      (c) => ({ ...c, options: { ...c.options, patchSize: ['8', 8, 8] } }),
      'options.patchSize[0]: "8" is not a whole number',
    ],
    [
      'has a network with a stage too few',
      (c) => ({ ...c, options: { ...c.options, network: { ...c.options.network, strides: [[1, 1, 1]] } } }),
      'options.network: it has lists of stages or axes that do not match',
    ],
    ['has no batches', (c) => ({ ...c, batches: null }), 'batches: null is no object'],
  ])('that %s is refused with the place', async (_, change, what) => {
    const dir = await written();
    const path = join(dir, 'checkpoint.json');
    writeFileSync(path, typeof change === 'string' ? change : JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
    await expect(readCheckpoint(dir)).rejects.toMatchObject({ name: 'CheckpointError', where: path, what: expect.stringContaining(what) });
  });
});
