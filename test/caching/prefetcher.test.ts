import { describe, expect, it } from 'vitest';
import { Prefetcher } from '../../src/caching/prefetcher.ts';

/** A stream whose batches have these cases, of ten bytes each. */
function streamOf(batches: readonly (readonly number[])[], bytes: number, caseCount = 100): { follow: (batch: number) => number[] } {
  let brought: number[] = [];
  const prefetcher = new Prefetcher(
    {
      casesOf: (batch) => batches[batch % batches.length],
      caseCount,
      bytesOf: () => 10,
      bring: (caseNumber) => void brought.push(caseNumber),
    },
    bytes,
  );
  return {
    follow(batch) {
      brought = [];
      prefetcher.follow(batch);
      return brought;
    },
  };
}

describe('what is copied ahead', () => {
  it('are the cases of the batches that come next, as far as there is room', () => {
    const { follow } = streamOf([[0], [1, 2], [2, 1], [3, 3], [4, 5], [6, 7]], 50);
    expect(follow(0)).toEqual([1, 2, 3, 4, 5]);
    expect(follow(1)).toEqual([]);
    expect(follow(2)).toEqual([]);
    // Cases 1 and 2 are needed by no batch after this one.
    expect(follow(3)).toEqual([6, 7]);
  });

  it('is nothing more while all cases that are drawn from were asked for, and those again that may have left', () => {
    const { follow } = streamOf(
      [
        [0, 1],
        [1, 2],
        [2, 0],
      ],
      1e9,
      3,
    );
    expect(follow(0).toSorted()).toEqual([0, 1, 2]);
    expect(follow(1)).toEqual([]);
    expect(follow(2)).toEqual([1]);
  });

  it('never lies behind, where a stream skips batches', () => {
    const batches = Array.from({ length: 40 }, (_, i) => [i]);
    const { follow } = streamOf(batches, 20);
    expect(follow(0)).toEqual([1, 2]);
    expect(follow(30)).toEqual([31, 32]);
  });

  it('ends after some thousand samples, however small their cases are', () => {
    const { follow } = streamOf(
      Array.from({ length: 5000 }, (_, i) => [i, i, i, i]),
      1e9,
      5000,
    );
    expect(follow(0)).toHaveLength(512);
  });
});
