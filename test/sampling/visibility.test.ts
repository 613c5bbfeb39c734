import { describe, expect, it } from 'vitest';
import { recipeOf } from '../../src/augmentation/recipe.ts';
import type { PipelineStep } from '../../src/augmentation/transforms/index.ts';
import { patchOf, type Triple, voxels } from '../../src/common/geometry.ts';
import { measureCoverage } from '../../src/planning/coverage.ts';
import { Forcing } from '../../src/sampling/forcing.ts';
import type { Sampling } from '../../src/sampling/slot-plan.ts';
import { planSlot } from '../../src/sampling/slot-plan.ts';
import { type Locatable, measureVisibility } from '../../src/sampling/visibility.ts';
import { WeightedChoice } from '../../src/sampling/weighted-choice.ts';
import { sampleClassLocations } from '../../src/store/class-locations.ts';
import { makePatch } from '../fixtures/patch-maker.ts';

const SHAPES: Triple[] = [
  [20, 24, 28],
  [16, 30, 18],
];
const CLASSES = [1, 2].map((label) => ({ name: String(label), labels: [label] }));
/** A block of label 1 in both, of label 2 beside it in the first. */
const MAPS = SHAPES.map(([depth, height, width], caseNumber) =>
  Int8Array.from({ length: depth * height * width }, (_, i) => {
    const [z, y, x] = [Math.floor(i / height / width), Math.floor(i / width) % height, i % width];
    if (z < 3 || z > 8 || y < 5 || y > 11) return 0;
    return x >= 4 && x < 10 ? 1 : caseNumber === 0 && x >= 10 && x < 14 ? 2 : 0;
  }),
);
const LOCATED = MAPS.map((map) => sampleClassLocations(map, CLASSES).map(({ locations }) => locations));

const data: Locatable = {
  cases: SHAPES.map((shape, i) => ({ shape, locations: LOCATED[i].map(({ length }) => length) })),
  classes: CLASSES,
  location: (caseNumber, classNumber, position) => {
    const [, height, width] = SHAPES[caseNumber];
    const flat = LOCATED[caseNumber][classNumber][position];
    return [Math.floor(flat / height / width), Math.floor(flat / width) % height, flat % width];
  },
  flatLocations: (caseNumber, classNumber) => LOCATED[caseNumber][classNumber],
};
const PARTS = [0, 1].map((classNumber) => ({
  classNumber,
  part: 0,
  cases: new WeightedChoice(LOCATED.map((classes) => Number(classes[classNumber].length > 0))),
}));

function setup(patchSize: number[], steps: PipelineStep[]): { options: Sampling; recipe: ReturnType<typeof recipeOf> } {
  const patch = patchOf(patchSize);
  const store = { index: { channels: ['image'] }, cases: data.cases };
  const recipe = recipeOf({
    store,
    patchSize,
    patch,
    padMode: 'constant',
    augmentation: steps,
    deepSupervision: [patchSize.map(() => 1)],
    regions: null,
  });
  const options: Sampling = {
    seed: 1,
    batchSize: 2,
    patch: { read: recipe.pipeline.crop, final: patch },
    oversampling: { fraction: 0, probabilistic: false },
    pipeline: recipe.pipeline,
  };
  return { options, recipe };
}

/** Five standard errors of the measurement, on top of what labels lose by interpolation. */
const error = (part: number, count: number): number => 5 * Math.sqrt((part * (1 - part)) / count) + 1e-9;

describe('how often patches hold classes', () => {
  it.each([[[5, 6, 7]], [[12, 14, 9]], [[6, 9]], [[40, 40, 40]]])(
    'is, of plain patches of %j, what preprocessing measures',
    (patchSize) => {
      const { random } = measureVisibility(data, setup(patchSize, []).options, PARTS);
      const covered = MAPS.map((map, i) => measureCoverage(map, SHAPES[i], patchOf(patchSize), CLASSES).classes);
      for (const c of [0, 1]) {
        const exact = (covered[0][c] + covered[1][c]) / 2;
        expect(Math.abs(random[c] - exact), `class ${c}: ${random[c]}, ${exact}`).toBeLessThanOrEqual(error(exact, 10_000));
      }
    },
  );

  it('is certain of the class that a plain patch is centred on', () => {
    const { forced } = measureVisibility(data, setup([5, 6, 7], []).options, PARTS);
    expect([forced[0][0], forced[1][1]]).toEqual([1, 1]);
    expect(forced[0][1]).toBeLessThan(1);
  });

  it.each<[string, number[], PipelineStep[]]>([
    ['turned and scaled patches', [8, 9, 10], [{ transform: 'spatial', rotation: [-1, 1], rotationProbability: 1, scalingProbability: 1 }]],
    ['turned slices', [11, 9], [{ transform: 'spatial', rotation: [-3, 3], rotationProbability: 1, scalingProbability: 0.5 }]],
    ['slices turned alike', [6, 9, 10], [{ transform: 'spatial', rotation: [-3, 3], rotationProbability: 1, dummy2d: true }]],
  ])('is, of %s, what their labels show when they are made', (_, patchSize, steps) => {
    const { options, recipe } = setup(patchSize, steps);
    const measured = measureVisibility(data, options, PARTS);
    const count = 1500;
    const made = (forcing: Forcing): number[] => {
      const seen = [0, 0];
      for (let sample = 0; sample < count; sample++) {
        const { caseNumber, crop, operations } = planSlot(data, { ...options, forcing }, sample);
        const { targets } = makePatch({
          image: new Float32Array(voxels(SHAPES[caseNumber])),
          labels: MAPS[caseNumber],
          shape: SHAPES[caseNumber],
          patchSize,
          steps,
          drawn: Object.fromEntries(operations.map(({ step, parameters }) => [step, parameters])),
          crop,
        });
        for (const c of [0, 1]) if (targets[0].includes(c + 1)) seen[c]++;
      }
      return seen.map((patches) => patches / count);
    };
    const close = (actual: number[], expected: number[], what: string): void => {
      for (const c of [0, 1])
        expect(Math.abs(actual[c] - expected[c]), `${what}, class ${c}`).toBeLessThanOrEqual(error(expected[c], count) + 0.015);
    };
    close(made(new Forcing(1, [])), measured.random, 'random');
    for (const part of PARTS)
      close(made(new Forcing(1, [{ ...part, part: 1 }])), measured.forced[part.classNumber], `forced onto ${part.classNumber}`);
    expect(recipe.counted).toEqual([]);
  });
});
