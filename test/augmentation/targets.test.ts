import { describe, expect, it } from 'vitest';
import { scalesOf } from '../../src/augmentation/targets.ts';

describe("deep supervision's scales", () => {
  it('are the resolutions of all stages but the last', () => {
    const strides = [
      [1, 1, 1],
      [1, 2, 2],
      [2, 2, 2],
    ];
    expect(scalesOf(strides)).toEqual([
      [1, 1, 1],
      [1, 0.5, 0.5],
    ]);
  });

  it('are refused for a network of one stage, with what is the case', () => {
    expect(() => scalesOf([[1, 1, 1]])).toThrow(
      'deepSupervision: the network planned has one stage, and none coarser to supervise. Leave it out',
    );
  });
});
