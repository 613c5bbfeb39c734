import { describe, expect, it } from 'vitest';
import { Draws } from '../../src/common/random.ts';
import { chooseClass } from '../../src/sampling/class-choice.ts';
import { WeightedChoice } from '../../src/sampling/weighted-choice.ts';

const draws = (sample: number): Draws => new Draws(11, sample, 0);

describe('a weighted choice', () => {
  it('of equal weights is a plain one, whatever is left out', () => {
    const all = new WeightedChoice([1, 1, 1, 1, 1, 1, 1]);
    const some = new WeightedChoice([0, 2, 0, 0, 2, 2, 0]);
    for (let sample = 0; sample < 5000; sample++) {
      expect(all.draw(draws(sample))).toBe(draws(sample).below(7));
      expect(some.draw(draws(sample))).toBe([1, 4, 5][draws(sample).below(3)]);
    }
  });

  it('follows the weights', () => {
    const weights = [1, 0, 3, 0.5, 0];
    const choice = new WeightedChoice(weights);
    const counts = weights.map(() => 0);
    const total = 20_000;
    for (let sample = 0; sample < total; sample++) counts[choice.draw(draws(sample))]++;
    for (const [i, weight] of weights.entries()) {
      const expected = weight / 4.5;
      expect(Math.abs(counts[i] / total - expected), String(i)).toBeLessThanOrEqual(5 * Math.sqrt((expected * (1 - expected)) / total));
    }
  });
});

describe('class weights', () => {
  const classes = [1, 2, 3].map((label) => ({ name: String(label), labels: [label] }));
  const annotated = [...classes, { name: 'annotated', labels: [-1, 0, 1, 2, 3] }];
  const chosen = (counts: number[], weights: number[], list = classes): Map<number | null, number> => {
    const found = new Map<number | null, number>();
    for (let sample = 0; sample < 9000; sample++) {
      const at = chooseClass(true, list, counts, draws(sample), weights);
      found.set(at, (found.get(at) ?? 0) + 1);
    }
    return found;
  };

  it('decide among the classes of the case', () => {
    const found = chosen([5, 0, 5], [1, 7, 2]);
    expect([...found.keys()].sort()).toEqual([0, 2]);
    expect(Math.abs((found.get(2) as number) / 9000 - 2 / 3)).toBeLessThan(0.025);
  });

  it('of 0 exclude a class, and leave a random box where nothing else is there', () => {
    expect([...chosen([5, 5, 5], [0, 1, 0]).keys()]).toEqual([1]);
    expect([...chosen([5, 0, 0], [0, 1, 1]).keys()]).toEqual([null]);
    // With an ignore label, boxes that are not forced keep to what is annotated.
    expect([...chosen([5, 0, 0, 9], [0, 1, 1, 1], annotated).keys()]).toEqual([3]);
  });
});
