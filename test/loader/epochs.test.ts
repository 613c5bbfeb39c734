import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connect, PatchLoader, share } from '../../src/index.ts';
import type { Batch } from '../../src/loader/batch.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { caseFiles } from '../../src/store/file-names.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';

const { dir, store, options } = await loaderFixture();
const EPOCHS: LoaderOptions = { ...options, fold: 'all', validation: true, epochs: { training: 5, validation: 2 } };

/** The numbers of the batches, and that they know their epoch. */
async function indices(part: AsyncIterable<Batch>, epoch: number, most = Number.POSITIVE_INFINITY): Promise<number[]> {
  const seen: number[] = [];
  if (most === 0) return seen;
  for await (using batch of part) {
    expect(batch.epoch).toBe(epoch);
    seen.push(batch.index);
    if (seen.length === most) break;
  }
  return seen;
}

describe('epochs', () => {
  it('have as many batches of each stream as they should, one epoch after the other', async () => {
    await using loader = await PatchLoader.create(EPOCHS);
    const seen: unknown[] = [];
    for await (const { index, training, validation } of loader.epochs(3)) {
      expect(loader.state().epoch).toBe(index);
      seen.push([index, await indices(training, index), await indices(validation, index)]);
    }
    expect(seen).toEqual([
      [0, [0, 1, 2, 3, 4], [0, 1]],
      [1, [5, 6, 7, 8, 9], [2, 3]],
      [2, [10, 11, 12, 13, 14], [4, 5]],
    ]);
    expect(loader.state()).toMatchObject({ epoch: 3, nextBatch: 15, validation: { nextBatch: 6 } });
  });

  it('are 250 and 50 batches where nothing else is said', async () => {
    await using loader = await PatchLoader.create({ ...options, batchSize: 1, patchSize: [2, 2, 2], fold: 'all', validation: true });
    for await (const { training, validation } of loader.epochs(1)) {
      expect((await indices(training, 0)).length).toBe(250);
      expect((await indices(validation, 0)).length).toBe(50);
    }
    expect(loader.state()).toMatchObject({ epoch: 1, epochs: { training: 250, validation: 50 } });
  });

  it('have the same batches whatever was left of those before', async () => {
    await using loader = await PatchLoader.create(EPOCHS);
    const taken = [
      [2, 0],
      [0, 1],
      [9, 9],
    ];
    const seen: unknown[] = [];
    for await (const { index, training, validation } of loader.epochs(3))
      seen.push([await indices(training, index, taken[index][0]), await indices(validation, index, taken[index][1])]);
    expect(seen).toEqual([
      [[0, 1], []],
      [[], [2]],
      [
        [10, 11, 12, 13, 14],
        [4, 5],
      ],
    ]);
  });

  it.each([
    { trained: 3, validated: 0, first: [0, [3, 4], [0, 1]] },
    { trained: 5, validated: 0, first: [0, [], [0, 1]] },
    { trained: 5, validated: 1, first: [0, [], [1]] },
    { trained: 5, validated: 2, first: [1, [5, 6, 7, 8, 9], [2, 3]] },
    { trained: 12, validated: 4, first: [2, [12, 13, 14], [4, 5]] },
  ])('go on in the middle after $trained training and $validated validation batches', async ({ trained, validated, first }) => {
    await using begun = await PatchLoader.create(EPOCHS);
    begun.training.skipTo(trained);
    begun.validation.skipTo(validated);
    const state = JSON.parse(JSON.stringify(begun.state()));
    expect(state.epoch).toBe(first[0]);
    await using resumed = await PatchLoader.create({ store, state, workers: 1 });
    for await (const { index, training, validation } of resumed.epochs()) {
      expect([index, await indices(training, index), await indices(validation, index)]).toEqual(first);
      break;
    }
  });

  it('of a loader without validation have training batches alone', async () => {
    await using loader = await PatchLoader.create({ ...options, epochs: { training: 3 } });
    for await (const { index, training, validation } of loader.epochs(2)) {
      expect(await indices(validation, index)).toEqual([]);
      expect(await indices(training, index)).toEqual([0, 1, 2].map((i) => 3 * index + i));
    }
  });

  it('end when the loader is closed', async () => {
    const loader = await PatchLoader.create(EPOCHS);
    let batches = 0;
    for await (const { training, validation } of loader.epochs()) {
      for await (using _ of training) if (++batches === 7) void loader.close();
      for await (using _ of validation);
    }
    expect(batches).toBe(7);
  });

  it('fail with what a batch fails with', async () => {
    const broken = await makeStore(join(dir, 'broken'), { shapes: [[12, 12, 12]] });
    truncateSync(caseFiles(broken.dir, 'case_000').data, 500);
    await using loader = await PatchLoader.create({ ...EPOCHS, store: broken });
    const run = async (): Promise<void> => {
      for await (const { training } of loader.epochs()) for await (using _ of training);
    };
    await expect(run()).rejects.toMatchObject({ name: 'SampleError' });
  });

  it('can be run through over a port', async () => {
    await using loader = await PatchLoader.create(EPOCHS);
    await using shared = await connect(share(loader));
    const seen: unknown[] = [];
    for await (const { index, training, validation } of shared.epochs(2))
      seen.push([await indices(training, index, 4), await indices(validation, index)]);
    expect(seen).toEqual([
      [
        [0, 1, 2, 3],
        [0, 1],
      ],
      [
        [5, 6, 7, 8],
        [2, 3],
      ],
    ]);
  });

  it.each<[string, object, string]>([
    ['no lengths', { epochs: 250 }, 'epochs'],
    ['an unknown stream', { epochs: { train: 250 } }, 'epochs.train'],
    ['no batch', { epochs: { training: 0 } }, 'epochs.training'],
    ['half a batch', { epochs: { validation: 2.5 } }, 'epochs.validation'],
  ])('are refused where they have %s', async (_, wrong, where) => {
    await expect(PatchLoader.create({ ...EPOCHS, ...wrong })).rejects.toMatchObject({ name: 'OptionError', where });
  });
});
