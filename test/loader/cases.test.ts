import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { Warnings } from '../fixtures/warnings.ts';

const { store, options } = await loaderFixture();
const [a, b, c, d] = store.cases.map(({ id }) => id);
const cases = { training: [c, a], validation: [d] };
writeFileSync(join(store.dir, 'splits_final.json'), JSON.stringify([{ train: [a, c], val: [d] }]));

describe('cases', () => {
  it('choose what a fold of the same cases chooses, batch for batch', async () => {
    await using byFold = await PatchLoader.create({ ...options, fold: 0, validation: true });
    await using byId = await PatchLoader.create({ ...options, cases, validation: true });
    for (let i = 0; i < 5; i++) {
      for (const stream of ['training', 'validation'] as const) {
        using one = await byFold[stream].next();
        using other = await byId[stream].next();
        expect(other.keys).toEqual(one.keys);
        expect(other.data).toEqual(one.data);
      }
    }
  });

  it('are in the state: they need not be given again, and cannot be others', async () => {
    await using loader = await PatchLoader.create({ ...options, cases });
    (await loader.next()).dispose();
    const state = loader.state();
    expect(state).toMatchObject({ nextBatch: 1, cases, foldHash: expect.any(String) });
    expect(state.fold).toBeUndefined();
    using expected = await loader.next();
    for (const given of [{}, { cases }]) {
      await using again = await PatchLoader.create({ store, state, workers: 1, ...given });
      using batch = await again.next();
      expect(batch.data).toEqual(expected.data);
    }
    await expect(PatchLoader.create({ store, state, cases: { training: [b] } })).rejects.toThrow(
      /saved with other `cases`\. Leave `cases` out to continue/,
    );
    // States of before have their hash alone.
    const { cases: _, ...older } = state;
    await expect(PatchLoader.create({ store, state: older })).rejects.toThrow(/saved with other `cases`\. Give the same `cases` as then/);
    await expect(PatchLoader.create({ store, state: older, cases, workers: 1 }).then((loader) => loader.close())).resolves.toBeUndefined();
  });

  it('in both parts are warned of, once', async () => {
    using warnings = new Warnings();
    await using loader = await PatchLoader.create({ ...options, cases: { training: [a, c], validation: [c] }, validation: true });
    (await loader.validation.next()).dispose();
    expect(await warnings.seen()).toEqual([
      `cases: case ${c} is in training and in validation of this choice, whose scores come out too high then`,
    ]);
  });

  it.each([
    [{ cases: { training: [a, 'nobody'] } }, /cases\.training: the store has no case "nobody"/],
    [{ cases: { training: [] } }, /cases\.training: it names no case/],
    [{ cases: { training: a } }, /cases\.training: it is no list of case ids/],
    [{ cases: { training: [a], valdation: [b] } }, /cases\.valdation: there is no such option/],
    [{ cases: { training: [a] }, fold: 0 }, /cases: they are given beside `fold`/],
    [{ cases: { training: [a] }, validation: true }, /cases\.validation: it names no case/],
  ])('refuses %j', async (others, message) => {
    await expect(PatchLoader.create({ ...options, ...(others as object) })).rejects.toThrow(message);
  });
});
