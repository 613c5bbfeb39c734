import { describe, expect, it } from 'vitest';
import { openCasesPerWorker } from '../../src/scheduling/descriptors.ts';

describe('open cases', () => {
  it('of all workers together stay below the limit of the process', () => {
    for (const limit of [256, 1024, 4096]) {
      for (const workers of [1, 2, 16]) expect(2 * workers * openCasesPerWorker(workers, 2, limit)).toBeLessThan(limit);
    }
  });

  it('are at least one, and never absurdly many', () => {
    expect(openCasesPerWorker(16, 2, 64)).toBe(1);
    expect(openCasesPerWorker(1, 2, 1_000_000)).toBe(512);
  });

  it('follow from the limit that the system tells', () => {
    expect(openCasesPerWorker(1)).toBeGreaterThanOrEqual(1);
  });
});
