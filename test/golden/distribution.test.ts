import { beforeAll, describe, expect, it } from 'vitest';
import { type Box, intersect, type Triple, voxels } from '../../src/common/geometry.ts';
import { planSlot, type Samplable, type SlotPlan } from '../../src/sampling/slot-plan.ts';
import { sampleClassLocations } from '../../src/store/class-locations.ts';
import { has, readJson } from './golden.ts';

interface Volume {
  name: string;
  shape: Triple;
  labels: Int8Array;
}

const golden = has('distribution.json') ? readJson('distribution.json') : { volumes: {}, setups: [] };
const classes = [1, 2, 3].map((label) => ({ name: String(label), labels: [label] }));

const volumes: Volume[] = Object.entries<{ shape: Triple; boxes: { label: number; start: Triple; stop: Triple }[] }>(golden.volumes).map(
  ([name, { shape, boxes }]) => {
    const labels = new Int8Array(voxels(shape));
    for (const { label, start, stop } of boxes) {
      for (let z = start[0]; z < stop[0]; z++) {
        for (let y = start[1]; y < stop[1]; y++) for (let x = start[2]; x < stop[2]; x++) labels[(z * shape[1] + y) * shape[2] + x] = label;
      }
    }
    return { name, shape, labels };
  },
);

const data: Samplable = (() => {
  const located = volumes.map(({ labels }) => sampleClassLocations(labels, classes).map(({ locations }) => locations));
  return {
    cases: volumes.map(({ shape }, i) => ({ shape, locations: located[i].map(({ length }) => length) })),
    classes,
    location: (caseNumber, classNumber, position) => {
      const [, height, width] = volumes[caseNumber].shape;
      const flat = located[caseNumber][classNumber][position];
      return [Math.floor(flat / (height * width)), Math.floor(flat / width) % height, flat % width];
    },
  };
})();

/** Counts of one label in every box from the origin, one larger than the volume along each axis: any box is eight look-ups. */
function summedArea({ shape, labels }: Volume, label: number): (box: Box) => number {
  const [depth, height, width] = shape.map((size) => size + 1);
  const sums = new Int32Array(depth * height * width);
  const at = (z: number, y: number, x: number): number => (z * height + y) * width + x;
  for (let z = 1; z < depth; z++) {
    for (let y = 1; y < height; y++) {
      for (let x = 1, row = 0; x < width; x++) {
        row += labels[((z - 1) * shape[1] + y - 1) * shape[2] + x - 1] === label ? 1 : 0;
        sums[at(z, y, x)] = row + sums[at(z - 1, y, x)] + sums[at(z, y - 1, x)] - sums[at(z - 1, y - 1, x)];
      }
    }
  }
  return ({ lower: [z0, y0, x0], upper: [z1, y1, x1] }) => {
    const slab = (z: number): number => sums[at(z, y1, x1)] - sums[at(z, y0, x1)] - sums[at(z, y1, x0)] + sums[at(z, y0, x0)];
    return slab(z1) - slab(z0);
  };
}

const counters = volumes.map((volume) => [1, 2, 3].map((label) => summedArea(volume, label)));

function labelsIn(caseNumber: number, box: Box): Set<number> {
  const inside = intersect(box, volumes[caseNumber].shape);
  return new Set(inside === null ? [] : [1, 2, 3].filter((label) => counters[caseNumber][label - 1](inside) > 0));
}

/** Two counts out of as many draws each, drawn from the same distribution, differ by no more than this. */
function expectSameRate(actual: number, actualDraws: number, expected: number, expectedDraws: number, what: string): void {
  const rate = (actual + expected) / (actualDraws + expectedDraws);
  const sigma = Math.sqrt(rate * (1 - rate) * (1 / actualDraws + 1 / expectedDraws));
  expect(Math.abs(actual / actualDraws - expected / expectedDraws), what).toBeLessThanOrEqual(5 * sigma + 1e-12);
}

/** Two-sample chi-square over the bins of two histograms; sparse bins are pooled. Compared with a far quantile. */
function expectSameHistogram(actual: Map<number, number>, expected: Map<number, number>, what: string): void {
  const total = (histogram: Map<number, number>): number => [...histogram.values()].reduce((sum, count) => sum + count, 0);
  const [n, m] = [total(actual), total(expected)];
  const bins: [number, number][] = [];
  let pooled: [number, number] = [0, 0];
  for (const start of [...new Set([...actual.keys(), ...expected.keys()])].sort((a, b) => a - b)) {
    pooled = [pooled[0] + (actual.get(start) ?? 0), pooled[1] + (expected.get(start) ?? 0)];
    if (pooled[0] + pooled[1] >= 20) {
      bins.push(pooled);
      pooled = [0, 0];
    }
  }
  if (pooled[0] + pooled[1] > 0) bins.push(pooled);
  const statistic = bins.reduce((sum, [a, b]) => sum + (a * Math.sqrt(m / n) - b * Math.sqrt(n / m)) ** 2 / (a + b), 0);
  const freedom = Math.max(1, bins.length - 1);
  // Mean k, variance 2k; five standard deviations and some for the long tail of few degrees of freedom.
  expect(statistic, what).toBeLessThanOrEqual(freedom + 5 * Math.sqrt(2 * freedom) + 10);
}

describe.skipIf(!has('distribution.json'))('golden distribution', () => {
  for (const setup of golden.setups) {
    describe(setup.name, () => {
      const plans: SlotPlan[] = [];
      const inThree = (sizes: number[]): Triple => (sizes.length === 2 ? [1, ...sizes] : sizes) as Triple;
      const read = inThree(setup.patch_size);

      beforeAll(() => {
        const options = {
          seed: 20260,
          batchSize: setup.batch_size,
          patch: { read, final: inThree(setup.final_patch_size) },
          oversampling: { fraction: setup.oversample_foreground_percent, probabilistic: setup.probabilistic_oversampling },
        };
        for (let sample = 0; sample < setup.draws; sample++) plans.push(planSlot(data, options, sample));
      });

      it('draws cases alike', () => {
        volumes.forEach(({ name }, number) => {
          const drawn = plans.filter(({ caseNumber }) => caseNumber === number);
          expectSameRate(drawn.length, setup.draws, setup.case_counts[name], setup.draws, name);
          const forced = plans.filter((plan) => plan.forced);
          expectSameRate(
            drawn.filter((plan) => plan.forced).length,
            forced.length,
            setup.forced_case_counts[name],
            setup.forced_draws,
            `${name}, forced`,
          );
        });
      });

      it('forces as many', () => {
        const forced = plans.filter((plan) => plan.forced).length;
        if (setup.probabilistic_oversampling) expectSameRate(forced, setup.draws, setup.forced_draws, setup.draws, 'forced');
        else expect(forced).toBe(setup.forced_draws);
      });

      it('chooses classes alike', () => {
        volumes.forEach(({ name }, number) => {
          const forced = plans.filter((plan) => plan.forced && plan.caseNumber === number);
          const expected: Record<string, number> = setup.selected_class_counts_forced[name];
          const draws = Object.values(expected).reduce((sum, count) => sum + count, 0);
          for (const [key, count] of Object.entries(expected)) {
            const chosen = forced.filter(({ classNumber }) => (classNumber === null ? 'random' : classes[classNumber].name) === key).length;
            if (count === 0) expect(chosen, `${name}, ${key}`).toBe(0);
            else expectSameRate(chosen, forced.length, count, draws, `${name}, ${key}`);
          }
        });
      });

      it('places boxes alike', () => {
        volumes.forEach(({ name }, number) => {
          for (const kind of ['forced', 'random'] as const) {
            const boxes = plans.filter((plan) => plan.caseNumber === number && plan.forced === (kind === 'forced')).map(({ box }) => box);
            setup.start_histogram[name][kind].forEach((recorded: Record<string, number>, axis: 0 | 1 | 2) => {
              const expected = new Map(Object.entries(recorded).map(([start, count]) => [Number(start), count]));
              const actual = new Map<number, number>();
              for (const { lower } of boxes) actual.set(lower[axis], (actual.get(lower[axis]) ?? 0) + 1);
              expectSameHistogram(actual, expected, `${name}, ${kind}, axis ${axis}`);
              const { min, max_inclusive } = setup.random_start_limits[name];
              if (kind === 'random') {
                expect(Math.min(...actual.keys())).toBeGreaterThanOrEqual(min[axis]);
                expect(Math.max(...actual.keys())).toBeLessThanOrEqual(max_inclusive[axis]);
              }
            });
          }
        });
      });

      it('meets foreground as often', () => {
        const seen = plans.map((plan) => ({ forced: plan.forced, labels: labelsIn(plan.caseNumber, plan.box) }));
        for (const kind of ['forced', 'random'] as const) {
          const some = seen.filter(({ forced }) => forced === (kind === 'forced'));
          const draws = kind === 'forced' ? setup.forced_draws : setup.draws - setup.forced_draws;
          const holding = some.filter(({ labels }) => labels.size > 0).length;
          expectSameRate(holding, some.length, setup.fraction_containing_foreground[kind] * draws, draws, `${kind}, foreground`);
          for (const [label, fraction] of Object.entries<number>(setup.fraction_containing_label[kind])) {
            const with_label = some.filter(({ labels }) => labels.has(Number(label))).length;
            expectSameRate(with_label, some.length, fraction * draws, draws, `${kind}, label ${label}`);
          }
        }
      });
    });
  }
});
