import { describe, expect, it } from 'vitest';
import { figure, median, ratio, showFigure } from '../../bench/report/statistics.ts';

describe('median', () => {
  it('is the middle one, or between the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('no median of nothing');
  });
});

describe('the spread rule', () => {
  it('calls runs reliable up to a spread of 15 % of the median', () => {
    expect(figure([93, 100, 107])).toMatchObject({ median: 100, low: 93, high: 107, spread: 0.14, reliable: true });
    expect(figure([92.5, 100, 107.5]).reliable).toBe(true);
    expect(figure([92, 100, 108])).toMatchObject({ spread: 0.16, reliable: false });
  });

  it('counts every run: one outlier among many is enough', () => {
    expect(figure([100, 100, 100, 100, 100, 100, 116]).reliable).toBe(false);
  });

  it('says nothing of fewer than three runs', () => {
    expect(figure([100]).reliable).toBe(false);
    expect(figure([100, 100]).reliable).toBe(false);
    expect(figure([100, 100, 100]).reliable).toBe(true);
  });

  it('takes zeros for equal, and negative numbers by their size', () => {
    expect(figure([0, 0, 0])).toMatchObject({ spread: 0, reliable: true });
    expect(figure([0, 0, 1]).reliable).toBe(false);
    expect(figure([-100, -101, -102]).reliable).toBe(true);
  });

  it('shows no number as a claim that is none', () => {
    expect(showFigure(figure([1232, 1228, 1236]))).toBe('1,230');
    expect(showFigure(figure([80, 100, 120]))).toBe('not reliable (80 to 120)');
    expect(showFigure(figure([80]))).toBe('not reliable (one run: 80)');
  });
});

describe('ratio', () => {
  it('is taken round by round, so that a slow round cancels out', () => {
    const [ours, theirs] = [
      [100, 50, 100],
      [10, 5, 10],
    ];
    expect(figure(ours).reliable).toBe(false);
    expect(ratio(ours, theirs)).toMatchObject({ median: 10, spread: 0, reliable: true });
  });
});
