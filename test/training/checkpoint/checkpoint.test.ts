import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BestNetwork, type Checkpoint, readCheckpoint, readNumbers, writeCheckpoint } from '../../../src/training/checkpoint.ts';
import { encodeWeights, readWeights, valuesOf } from '../../../src/training/weights.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const LIST = [
  { name: 'a', shape: [2, 2], offset: 0 },
  { name: 'b', shape: [2], offset: 4 },
];

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
  batches: { augmentation: [{ transform: 'mirror', axes: [0, 2] }] } as unknown as Checkpoint['batches'],
  lossScale: null,
  history: [],
  best: null,
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

  it('keeps the best network beside the last, until another is better', async () => {
    const dir = await written();
    const [values, momentum] = [new Float32Array(6), new Float32Array(6)];
    const save = (epoch: number, best: BestNetwork) => writeCheckpoint(dir, { ...CONTENT, epoch, best }, LIST, { values, momentum });
    const first = { epoch: 3, movingDice: 0.5, network: 'network-3.safetensors' };
    await save(4, first);
    expect(readdirSync(dir).sort()).toEqual([
      'checkpoint.json',
      'momentum-4.safetensors',
      'network-3.safetensors',
      'network-4.safetensors',
    ]);
    expect((await readCheckpoint(dir))?.best).toEqual(first);
    await save(5, { epoch: 5, movingDice: 0.6, network: 'network-5.safetensors' });
    expect(readdirSync(dir).sort()).toEqual(['checkpoint.json', 'momentum-5.safetensors', 'network-5.safetensors']);
  });

  it("says which of the patch's axes training mirrored, and of which configuration it is", async () => {
    const dir = await written();
    expect(await readWeights(join(dir, 'network-3.safetensors'))).toMatchObject({ configuration: '3d_fullres', mirrorAxes: [0, 2] });
    const flat = { ...CONTENT, epoch: 4, options: { ...CONTENT.options, patchSize: [8, 8] } };
    await writeCheckpoint(dir, flat, LIST, { values: new Float32Array(6), momentum: new Float32Array(6) });
    expect(await readWeights(join(dir, 'network-4.safetensors'))).toMatchObject({ mirrorAxes: [1] });
  });

  it.each<[string, string[], string]>([
    ['a tensor that the network has not', ['a', 'b', 'c'], 'it has c, which the network has not'],
    ['one that is missing', ['a'], 'b is missing'],
  ])('whose weights have %s is refused', async (_, names, what) => {
    const path = join(temporaryFolder(), 'weights.safetensors');
    const list = names.map((name, i) => ({ name, shape: name === 'a' ? [2, 2] : [2], offset: 4 * Math.min(i, 1) }));
    writeFileSync(path, Buffer.concat(encodeWeights(list, new Float32Array(6), { configuration: null, mirrorAxes: [] })));
    const weights = await readWeights(path);
    expect(() => valuesOf(weights, LIST, 6)).toThrow(`${path}: ${what}`);
  });

  it("takes what nnU-Net's network has twice only once", async () => {
    const path = join(temporaryFolder(), 'weights.safetensors');
    const twice = [
      ...LIST,
      { name: 'decoder.encoder.a', shape: [2], offset: 0 },
      { name: 'x.all_modules.0.weight', shape: [2], offset: 0 },
    ];
    const values = Float32Array.of(1, 2, 3, 4, 5, 6);
    writeFileSync(path, Buffer.concat(encodeWeights(twice, values, { configuration: null, mirrorAxes: [] })));
    expect(valuesOf(await readWeights(path), LIST, 6)).toEqual(values);
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
    [
      'has a best network in another folder',
      (c) => ({ ...c, best: { epoch: 2, movingDice: 0.5, network: '../other' } }),
      'best.network: "../other" is not a name',
    ],
    ['has no batches', (c) => ({ ...c, batches: null }), 'batches: null is no object'],
  ])('that %s is refused with the place', async (_, change, what) => {
    const dir = await written();
    const path = join(dir, 'checkpoint.json');
    writeFileSync(path, typeof change === 'string' ? change : JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
    await expect(readCheckpoint(dir)).rejects.toMatchObject({ name: 'CheckpointError', where: path, what: expect.stringContaining(what) });
  });
});
