import { describe, expect, it } from 'vitest';
import { brightnessGradient } from '../../../src/augmentation/transforms/intensity/brightness-gradient.ts';
import { bumpFactors } from '../../../src/augmentation/transforms/intensity/bump.ts';
import { localGamma } from '../../../src/augmentation/transforms/intensity/local-gamma.ts';
import type { Triple } from '../../../src/common/geometry.ts';
import { expectClose } from '../../golden/golden.ts';
import { applyTo, contextOf, drawMany, indices, noise } from './apply-to.ts';
import { type Recorded, recorded } from './recorded.ts';

const gradientStep = { transform: 'brightnessGradient' } as const;
const gammaStep = { transform: 'localGamma' } as const;

/** A bump of a 2D image gets what a 2D patch has along axis 0. */
function lifted<B extends { centre: number[]; width: number[] }>({ shape }: Recorded, bump: B): B & { centre: Triple; width: Triple } {
  if (shape.length === 3) return bump as B & { centre: Triple; width: Triple };
  return { ...bump, centre: [0, ...bump.centre] as Triple, width: [1, ...bump.width] as Triple };
}

describe('the bump', () => {
  it.each([[[5, 6, 7]], [[1, 1, 2]], [[1, 13, 3]]] as [Triple][])('of %j goes from 0 to 1', (shape) => {
    const { factors, low } = bumpFactors({ centre: [2.2, -3, 1], width: [1, 4, 7] }, shape)!;
    const values = indices(shape).map(([z, y, x]) => factors[0][z] * factors[1][y] * factors[2][x] - low);
    expect(Math.min(...values)).toBeCloseTo(0, 12);
    expect(Math.max(...values)).toBeCloseTo(1, 12);
  });

  it('of a single voxel is level', () => {
    expect(bumpFactors({ centre: [0, 0, 0], width: [1, 1, 1] }, [1, 1, 1])).toBeNull();
  });

  it('lies from half a patch below to half a patch above, a sixth of the patch to the patch wide', () => {
    const bumps = drawMany(brightnessGradient, gradientStep, contextOf([20, 60, 7]), 4000).flatMap((drawn) => drawn?.gradients[0] ?? []);
    for (const [axis, size] of [20, 60, 7].entries()) {
      const centres = bumps.map((bump) => bump.centre[axis] / size);
      expect(Math.min(...centres)).toBeGreaterThanOrEqual(-0.5);
      expect(Math.max(...centres)).toBeLessThan(1.5);
      expect(centres.reduce((a, b) => a + b) / centres.length).toBeCloseTo(0.5, 1);
      const narrow = Math.log(Math.floor(size / 6));
      const widths = bumps.map((bump) => (Math.log(bump.width[axis]) - narrow) / (Math.log(size) - narrow));
      expect(Math.min(...widths)).toBeGreaterThanOrEqual(-1e-12);
      expect(Math.max(...widths)).toBeLessThan(1);
      expect(widths.reduce((a, b) => a + b) / widths.length).toBeCloseTo(0.5, 1);
    }
  });

  it('of a patch smaller than 6 voxels is at least 1 wide, and flat along the axis that a 2D patch does not have', () => {
    for (const drawn of drawMany(localGamma, { ...gammaStep, channelProbability: 1 }, contextOf([3, 1]), 200)) {
      const { centre, width } = drawn!.corrections[0]!;
      expect([centre[0], width[0], width[2]]).toEqual([0, 1, 1]);
      expect(width[1]).toBeGreaterThanOrEqual(1);
      expect(width[1]).toBeLessThan(3);
    }
  });
});

describe('brightnessGradient', () => {
  it.each(recorded('brightnessGradient'))('adds what batchgeneratorsv2 adds: $shape $parameters', (record) => {
    const gradients = [lifted(record, record.parameters.gradients[0])];
    expectClose(applyTo(brightnessGradient, gradientStep, { gradients }, record).image, record.result, {
      kind: 'allclose',
      atol: 2e-6,
      rtol: 1e-6,
    });
  });

  it('draws strengths from 1 to 5, half of them negative', () => {
    const strengths = drawMany(brightnessGradient, gradientStep, contextOf([9, 9]), 8000).flatMap(
      (drawn) => drawn?.gradients[0]?.strength ?? [],
    );
    expect(Math.abs(strengths.length - 4000)).toBeLessThan(250);
    for (const strength of strengths) expect(Math.abs(Math.abs(strength) - 3)).toBeLessThanOrEqual(2);
    expect(Math.abs(strengths.filter((strength) => strength < 0).length / strengths.length - 0.5)).toBeLessThan(0.03);
  });
});

describe('localGamma', () => {
  it.each(recorded('localGamma'))('corrects as batchgeneratorsv2 does: $shape $parameters', (record) => {
    const corrections = [lifted(record, record.parameters.corrections[0])];
    expectClose(applyTo(localGamma, gammaStep, { corrections }, record).image, record.result, { kind: 'allclose', atol: 2e-6, rtol: 1e-6 });
  });

  it('keeps constant images, and NaN where it is', () => {
    const corrections = [{ centre: [0, 2, 2] as Triple, width: [1, 2, 2] as Triple, gamma: 3 }];
    expect([...applyTo(localGamma, gammaStep, { corrections }, { shape: [5, 5], image: new Float32Array(25).fill(7) }).image]).toEqual(
      Array(25).fill(7),
    );
    const image = noise(25);
    image[3] = Number.NaN;
    const made = applyTo(localGamma, gammaStep, { corrections }, { shape: [5, 5], image }).image;
    expect([...made].map(Number.isNaN).indexOf(true)).toBe(3);
    expect([...made].filter(Number.isNaN).length).toBe(1);
    expect([...applyTo(localGamma, gammaStep, { corrections }, { shape: [1, 2], image: [Number.NaN, Number.NaN] }).image]).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
  });

  it('draws half of the exponents from each side', () => {
    const gammas = drawMany(localGamma, gammaStep, contextOf([9, 9]), 8000).flatMap((drawn) => drawn?.corrections[0]?.gamma ?? []);
    const low = gammas.filter((gamma) => gamma < 1);
    expect(Math.abs(low.length / gammas.length - 0.5)).toBeLessThan(0.03);
    for (const gamma of low) expect(gamma >= 0.01 && gamma < 0.8).toBe(true);
    for (const gamma of gammas.filter((drawn) => drawn >= 1)) expect(gamma >= 1.5 && gamma < 4).toBe(true);
  });
});
