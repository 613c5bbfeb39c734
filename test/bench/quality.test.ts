import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawnSamples, madeSamples } from '../../bench/quality/samples.ts';
import { type Moments, moments, type Summary, summarise } from '../../bench/quality/summary.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../../bench/suite/configurations.ts';
import { openStore, preprocess } from '../../src/index.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const nnunet = JSON.parse(readFileSync(join(import.meta.dirname, 'quality-nnunet.json'), 'utf8')) as Summary;

/** Standard errors of a difference between two samples. Of seventy such figures, one goes beyond in every two hundred recordings. */
const MOST = 4;

/** Two means of draws from one distribution. What never varies on either side is to be equal. */
function expectSameMean(ours: Moments, theirs: Moments, what: string): void {
  const sigma = Math.sqrt(ours.deviation ** 2 / ours.count + theirs.deviation ** 2 / theirs.count);
  expect(Math.abs(ours.mean - theirs.mean), `${what}: ${ours.mean}, nnU-Net ${theirs.mean}`).toBeLessThanOrEqual(MOST * sigma + 1e-12);
}

/** The same of standard deviations. */
function expectSameDeviation(ours: Moments, theirs: Moments, what: string): void {
  const sigma = Math.hypot(ours.deviationError, theirs.deviationError);
  expect(Math.abs(ours.deviation - theirs.deviation), `${what}: ±${ours.deviation}, nnU-Net ±${theirs.deviation}`).toBeLessThanOrEqual(
    MOST * sigma + 1e-12,
  );
}

/** Two counts out of so many. */
function expectSameRate([fired, of]: [number, number], [theirs, ofTheirs]: [number, number], what: string): void {
  const rate = (fired + theirs) / (of + ofTheirs);
  const sigma = Math.sqrt(rate * (1 - rate) * (1 / of + 1 / ofTheirs));
  expect(Math.abs(fired / of - theirs / ofTheirs), `${what}: ${fired / of}, nnU-Net ${theirs / ofTheirs}`).toBeLessThanOrEqual(
    MOST * sigma + 1e-12,
  );
}

describe("beside what nnU-Net's loader was recorded to make of the hippocampus cases of this repository", () => {
  let ours: Summary;

  beforeAll(async () => {
    const dir = join(temporaryFolder(), 'store');
    await preprocess(EXAMPLES, dir, { plans: EXAMPLE_PLANS });
    const store = await openStore(dir);
    const options = { patchSize: [40, 56, 40], batchSize: 9, seed: 20261126, augmentation: 'default' as const, workers: 2 };
    ours = summarise({ ...(await drawnSamples(store, options, 20_000)), patches: await madeSamples(store, options, 450) });
  });

  it('forces as many boxes, and draws cases and classes alike', () => {
    expect(ours.boxes.forced).toBe(nnunet.boxes.forced);
    expect(Object.keys(ours.boxes.cases).sort()).toEqual(Object.keys(nnunet.boxes.cases).sort());
    for (const [name, count] of Object.entries(nnunet.boxes.cases))
      expectSameRate([ours.boxes.cases[name], ours.boxes.count], [count, nnunet.boxes.count], name);
    expect(Object.keys(ours.boxes.classes)).toEqual(Object.keys(nnunet.boxes.classes));
    for (const [label, count] of Object.entries(nnunet.boxes.classes))
      expectSameRate([ours.boxes.classes[label], ours.boxes.forced], [count, nnunet.boxes.forced], `class ${label}`);
  });

  it('places boxes alike', () => {
    for (const kind of ['forced', 'random'] as const)
      for (const [axis, theirs] of nnunet.lower[kind].entries()) {
        expectSameMean(ours.lower[kind][axis], theirs, `${kind}, axis ${axis}`);
        expectSameDeviation(ours.lower[kind][axis], theirs, `${kind}, axis ${axis}`);
      }
  });

  it('fires each transform as often', () => {
    expect(Object.keys(ours.transforms.fired).sort()).toEqual(Object.keys(nnunet.transforms.fired).sort());
    for (const [name, count] of Object.entries(nnunet.transforms.fired))
      expectSameRate([ours.transforms.fired[name], ours.transforms.samples], [count, nnunet.transforms.samples], name);
  });

  it('makes patches of the same intensities and label volumes', () => {
    expect(Object.keys(ours.patches).sort()).toEqual(Object.keys(nnunet.patches).sort());
    for (const [name, theirs] of Object.entries(nnunet.patches)) {
      expectSameMean(ours.patches[name], theirs, name);
      expectSameDeviation(ours.patches[name], theirs, name);
    }
    for (const [name, count] of Object.entries(nnunet.holding))
      expectSameRate([ours.holding[name], ours.patches[name].count], [count, nnunet.patches[name].count], name);
  });
});

describe('moments', () => {
  it('are mean, standard deviation, and the error of that', () => {
    // The fourth moment is 44.5; sqrt((44.5 - 16) / 8) / 4.
    expect(moments([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ count: 8, mean: 5, deviation: 2, deviationError: expect.closeTo(0.471865, 5) });
    expect(moments([3, 3])).toEqual({ count: 2, mean: 3, deviation: 0, deviationError: 0 });
  });
});
