import { describe, expect, it } from 'vitest';
import { depthOf, MOST_FEATURES } from '../../src/planning/planners.ts';
import { decoderConvolutions, featureMapSize, type Network, projects, stageVoxels } from '../../src/plans/network.ts';
import { PROSTATE_STRIDES } from '../fixtures/networks.ts';

function network(kind: Network['kind'], strides: number[][]): Network {
  const most = MOST_FEATURES[strides[0].length as 2 | 3];
  return {
    kind,
    features: strides.map((_, stage) => Math.min(most, 32 * 2 ** stage)),
    strides,
    kernels: strides.map((stride) => stride.map(() => 3)),
    ...depthOf(kind, strides.length),
  };
}

/** `halvings` stages that halve all axes. */
function even(axes: number, halvings: number): number[][] {
  return Array.from({ length: halvings + 1 }, (_, stage) => new Array<number>(axes).fill(stage === 0 ? 1 : 2));
}

const LUNG = [
  [1, 1, 1],
  [1, 2, 2],
  [2, 2, 2],
  [2, 2, 2],
  [2, 2, 2],
  [1, 2, 2],
];

describe('the size of a network', () => {
  // Computed by the networks of nnU-Net's own library.
  it.each<[Network['kind'], number[], number[][], number, number]>([
    ['plain', [128, 128, 128], even(3, 5), 2, 450_699_264],
    ['plain', [128, 128, 128], even(3, 5), 4, 454_893_568],
    ['plain', [40, 56, 40], even(3, 3), 3, 19_174_400],
    ['plain', [64, 192, 160], LUNG, 3, 528_599_040],
    ['plain', [20, 320, 256], PROSTATE_STRIDES, 3, 483_315_200],
    ['plain', [512, 512], even(2, 7), 3, 82_886_656],
    ['plain', [320, 256], even(2, 6), 3, 25_866_240],
    ['residual', [128, 128, 128], even(3, 5), 3, 557_420_544],
    ['residual', [512, 512], even(2, 6), 3, 129_531_904],
    ['residual', [64, 192, 160], LUNG, 3, 725_191_680],
  ])('%s for %j, %j, %d heads is %d', (kind, patch, strides, heads, size) => {
    expect(featureMapSize(network(kind, strides), patch, heads)).toBe(size);
  });

  it('counts a patch that does not divide by what the feature maps hold', () => {
    const { features } = network('plain', even(2, 2));
    expect(stageVoxels(network('plain', even(2, 2)), [13, 9])).toEqual([117, 24, 6]);
    // Two convolutions a stage; two and a transposed one a decoder stage; three heads.
    const expected = (2 + 3) * (features[0] * 117 + features[1] * 24) + 2 * features[2] * 6 + 3 * 117;
    expect(featureMapSize(network('plain', even(2, 2)), [13, 9], 3)).toBe(expected);
  });
});

describe('a network', () => {
  it('lists its decoder from the deepest stage on', () => {
    const uneven: Network = { ...network('plain', even(2, 3)), decoder: [3, 2, 1] };
    expect([0, 1, 2].map((stage) => decoderConvolutions(uneven, stage))).toEqual([1, 2, 3]);
  });

  it('projects where a block changes resolution or channels', () => {
    const strides = [
      [1, 1],
      [2, 2],
      [1, 1],
      [1, 2],
    ];
    const uneven: Network = { ...network('residual', strides), features: [32, 32, 64, 64] };
    expect([0, 1, 2, 3].map((stage) => projects(uneven, stage))).toEqual([false, true, true, true]);
    expect(projects({ ...uneven, features: [32, 32, 32, 32] }, 2)).toBe(false);
  });

  it('has residual blocks by stage, six from the fourth on', () => {
    expect(depthOf('residual', 8)).toEqual({ encoder: [1, 3, 4, 6, 6, 6, 6, 6], decoder: new Array(7).fill(1) });
    expect(depthOf('plain', 3)).toEqual({ encoder: [2, 2, 2], decoder: [2, 2] });
  });
});
