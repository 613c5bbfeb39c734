import { describe, expect, it } from 'vitest';
import { OptionError, StateError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { SlotPlan } from '../../src/sampling/slot-plan.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes } from '../fixtures/stream.ts';

// The fourth case has no foreground.
const { store, options } = await loaderFixture({ workers: 1 });

async function plansOf(more: Partial<LoaderOptions>, batches: number): Promise<SlotPlan[]> {
  await using loader = await PatchLoader.create({ ...options, ...more });
  const plans: SlotPlan[] = [];
  for (let i = 0; i < batches; i++) {
    using batch = await loader.next();
    plans.push(...batch.plans);
  }
  return plans;
}

describe('sampling options', () => {
  it.each<[string, object, RegExp]>([
    ['a fraction that is none', { oversample: '0.3' }, /oversample: "0.3" is not a fraction/],
    ['an empty schedule', { oversample: [] }, /oversample: \[\] is an empty schedule/],
    ['a schedule without fractions', { oversample: [[0, 0.3], [5]] }, /oversample\[1\]: \[5\] is not a batch and a fraction/],
    ['a schedule with a fraction above 1', { oversample: [[0, 1.3]] }, /oversample\[0\]/],
    ['a schedule that goes back', { oversample: [[5, 0.3], [5, 0.1]] }, /oversample\[1\]: batch 5 does not come after batch 5/], // biome-ignore format: one line a case
    ['an unknown probabilistic rule', { probabilisticOversampling: 'often' }, /probabilisticOversampling: "often"/],
    ['too few case weights', { caseWeights: [1, 2] }, /there are 2 of them, the store has 4 cases/],
    ['the weight of an unknown case', { caseWeights: { nobody: 1 } }, /caseWeights.nobody: the store has no such case/],
    ['a negative case weight', { caseWeights: { case_001: -1 } }, /the weight of case_001 is -1/],
    ['case weights of 0', { caseWeights: [0, 0, 0, 0] }, /caseWeights: all of them are 0/],
    ['case weights that are none', { caseWeights: 3 }, /caseWeights: 3 is not a set of case weights/],
    [
      'the weight of an unknown class',
      { classWeights: { three: 1 } },
      /classWeights.three: the data set has no such class. Its classes are one, two/,
    ],
    ['a negative class weight', { classWeights: { one: -2 } }, /classWeights.one: -2 is no weight/],
    ['class weights of 0', { classWeights: { one: 0, two: 0 } }, /classWeights: they are 0 for all classes/],
    ['class weights in a list', { classWeights: [1, 2] }, /classWeights: \[1,2\] is not a set of class weights/],
    ['an unknown source of ranks', { ranks: 'mpi' }, /ranks: "mpi" is not known. Choose one of environment/],
    ['a rank beyond the world', { rank: 3, worldSize: 3 }, /rank: 3 is no rank among 3 processes/],
    ['more processes than samples', { rank: 0, worldSize: 7 }, /a batch of 6 cannot be split among 7/],
  ])('are refused: %s', async (_, wrong, message) => {
    const creating = PatchLoader.create({ ...options, ...wrong });
    await expect(creating).rejects.toThrow(OptionError);
    await expect(creating).rejects.toThrow(message);
  });

  it('weigh cases, by id or in a list', async () => {
    const byId = await plansOf({ caseWeights: { case_001: 0, case_003: 0, case_002: 3 } }, 100);
    expect(await plansOf({ caseWeights: [1, 0, 3, 0] }, 100)).toEqual(byId);
    const counts = [0, 1, 2, 3].map((number) => byId.filter(({ caseNumber }) => caseNumber === number).length);
    expect([counts[1], counts[3]]).toEqual([0, 0]);
    expect(Math.abs(counts[2] / 600 - 0.75)).toBeLessThan(5 * Math.sqrt((0.75 * 0.25) / 600));
    expect(await plansOf({ caseWeights: [2, 2, 2, 2] }, 10)).toEqual(await plansOf({}, 10));
  });

  it('weigh the classes that forced samples are centred on', async () => {
    const plans = await plansOf({ classWeights: { two: 0 } }, 30);
    const forced = plans.filter((plan) => plan.forced);
    expect(forced.some(({ classNumber }) => classNumber === 0)).toBe(true);
    expect(forced.every(({ classNumber, caseNumber }) => classNumber === (caseNumber === 3 ? null : 0))).toBe(true);
  });

  it('change the fraction over the training', async () => {
    const plans = await plansOf({ oversample: [[2, 1], [4, 0]] }, 6); // biome-ignore format: as it is written
    const forced = Array.from({ length: 6 }, (_, batch) => plans.slice(6 * batch, 6 * batch + 6).filter((plan) => plan.forced).length);
    expect(forced).toEqual([6, 6, 6, 3, 0, 0]);
  });

  it('go into states', async () => {
    const shaping: Partial<LoaderOptions> = {
      oversample: [[0, 0.9], [6, 0.2]], // biome-ignore format: as it is written
      probabilisticOversampling: 'realised',
      caseWeights: { case_000: 2 },
      classWeights: { two: 3 },
    };
    await using whole = await PatchLoader.create({ ...options, ...shaping });
    const expected = await streamHashes(whole, 8);
    await using first = await PatchLoader.create({ ...options, ...shaping });
    await streamHashes(first, 3);
    const state = JSON.parse(JSON.stringify(first.state()));
    for (const again of [{}, shaping]) {
      await using later = await PatchLoader.create({ store, state, workers: 1, ...again });
      expect(await streamHashes(later, 5)).toEqual(expected.slice(3));
    }
    for (const other of [{ caseWeights: { case_000: 3 } }, { classWeights: { one: 3 } }, { oversample: 0.1 }, { exposure: { one: 0.8 } }])
      await expect(PatchLoader.create({ store, state, workers: 1, ...other })).rejects.toThrow(/saved with|`exposure` decides/);
    await expect(PatchLoader.create({ store, state, workers: 1, probabilisticOversampling: true })).rejects.toThrow(StateError);
  });
});

describe('2D patches out of 3D volumes', () => {
  it('are slices through a voxel of the chosen class where forced, any slices else', async () => {
    await using loader = await PatchLoader.create({ ...options, patchSize: [7, 9], batchSize: 40, oversample: 0.5 });
    const random = new Set<string>();
    for (let i = 0; i < 15; i++) {
      using batch = await loader.next();
      expect(batch.targetShape).toEqual([40, 1, 7, 9]);
      for (const [slot, { forced, classNumber, voxel, crop, caseNumber }] of batch.plans.entries()) {
        const target = batch.target.subarray(slot * 63, (slot + 1) * 63);
        expect(crop.upper[0] - crop.lower[0]).toBe(1);
        if (classNumber === null || voxel === null) {
          // No slice is forced in a case without foreground: its slots are random.
          if (forced) expect(caseNumber).toBe(3);
          random.add(`${caseNumber} ${crop.lower[0]}`);
          continue;
        }
        expect(forced).toBe(true);
        expect(crop.lower[0]).toBe(voxel[0]);
        expect(crop.lower[1]).toBe(Math.max(0, voxel[1] - 3));
        expect(crop.lower[2]).toBe(Math.max(0, voxel[2] - 4));
        const at = (voxel[1] - crop.lower[1]) * 9 + voxel[2] - crop.lower[2];
        expect(target[at]).toBe(store.classes[classNumber].labels[0]);
        // Slices with foreground are 2 to 4.
        expect([2, 3, 4]).toContain(crop.lower[0]);
      }
    }
    // 12, 9, 16 and 10 slices.
    expect(random.size).toBe(47);
  });
});
