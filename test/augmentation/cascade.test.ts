import { describe, expect, it } from 'vitest';
import { withPrevious } from '../../src/augmentation/cascade.ts';
import type { Step } from '../../src/augmentation/transform.ts';
import type { PipelineStep } from '../../src/augmentation/transforms/index.ts';
import { type Box, type Triple, voxels } from '../../src/common/geometry.ts';
import { makePatch } from '../fixtures/patch-maker.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

const SHAPE: Triple = [14, 17, 19];
const COUNT = voxels(SHAPE);

/** Blocks of labels, so that interpolation has something to decide. */
function labels(seed: number, values: number[]): Int8Array {
  const next = numbers(seed);
  const blocks = Array.from({ length: 5 * 6 * 7 }, () => values[next(values.length)]);
  return Int8Array.from({ length: COUNT }, (_, i) => {
    const [z, y, x] = [Math.floor(i / (17 * 19)), Math.floor(i / 19) % 17, i % 19];
    return blocks[(Math.floor(z / 3) * 6 + Math.floor(y / 3)) * 7 + Math.floor(x / 3)];
  });
}

const image = Float32Array.from({ length: 2 * COUNT }, (_, i) => 1 + (i % 31));
const target = labels(1, [0, 1, 2, -1]);
const previous = labels(2, [0, 1, 2, 4]);
const oneHot = { transform: 'oneHot', labels: [1, 2, 4] } as const;

interface Setting {
  name: string;
  patchSize?: number[];
  crop?: Box;
  steps: PipelineStep[];
  drawn: Record<number, unknown>;
}

const turned = { angles: [0.3, -0.4, 0.2], scales: [1.2, 1.2, 1.2] };
const crop: Box = { lower: [-3, 2, 4], upper: [13, 18, 20] };
const SETTINGS: Setting[] = [
  { name: 'as they are, hanging over', crop: { lower: [-2, 9, 11], upper: [8, 19, 21] }, steps: [], drawn: {} },
  { name: 'rotated and scaled', crop, steps: [{ transform: 'spatial' }], drawn: { 0: turned } },
  { name: 'nearest', crop, steps: [{ transform: 'spatial', labels: 'nearest' }], drawn: { 0: turned } },
  { name: "bit for bit as nnU-Net's", crop, steps: [{ transform: 'spatial', nnunetCompat: true }], drawn: { 0: turned } },
  {
    name: 'deformed',
    crop,
    steps: [{ transform: 'spatial', elasticProbability: 1 }],
    drawn: { 0: { ...turned, elastic: { scales: [0.2, 0.1, 0.2], magnitudes: [2, 1, 2], seed: [1, 2, 3, 4] } } },
  },
  {
    name: 'mirrored while they are read',
    crop,
    steps: [{ transform: 'spatial' }, { transform: 'mirror' }],
    drawn: { 0: turned, 1: { axes: [0, 2] } },
  },
  { name: 'mirrored later', crop, steps: [{ transform: 'spatial', nnunetCompat: true }, { transform: 'mirror' }], drawn: { 0: turned, 1: { axes: [1, 2] } } }, // biome-ignore format: one line
  { name: 'mirrored before the spatial step', crop, steps: [{ transform: 'mirror' }, { transform: 'spatial' }], drawn: { 0: { axes: [0] }, 1: turned } }, // biome-ignore format: one line
  { name: 'slice by slice', crop: { lower: [3, 0, 1], upper: [13, 16, 17] }, steps: [{ transform: 'spatial', dummy2d: true }], drawn: { 0: { angles: [0.5], scales: [1.1, 1.1] } } }, // biome-ignore format: one line
  { name: 'in 2D', patchSize: [8, 9], crop: { lower: [5, -4, 3], upper: [6, 12, 21] }, steps: [{ transform: 'spatial' }], drawn: { 0: { angles: [1], scales: [0.9, 0.9] } } }, // biome-ignore format: one line
];

describe("a previous stage's labels", () => {
  it.each(SETTINGS)('go with the patch $name, a map of their own', ({ patchSize = [10, 10, 10], crop: box, steps, drawn }) => {
    const count = voxels(patchSize);
    const common = { image, shape: SHAPE, patchSize, drawn, crop: box as Box };
    // Made as the target of another patch: that path is compared with recorded output elsewhere.
    const asTarget = makePatch({
      ...common,
      labels: previous,
      steps: [...steps, { transform: 'replaceLabel' }],
      drawn: { ...drawn, [steps.length]: {} },
    });
    const plain = makePatch({ ...common, labels: target, steps });
    const ends: Step[] = [{ transform: 'replaceLabel' }, oneHot];
    const made = makePatch({
      ...common,
      labels: target,
      previous,
      steps: [...steps, ...ends],
      drawn: { ...drawn, [steps.length]: {}, [steps.length + 1]: {} },
    });
    expect(made.image.slice(0, 2 * count)).toEqual(plain.image);
    expect(made.foreground).toBe(plain.foreground);
    expect([...made.targets[0]]).toEqual([...plain.targets[0]].map((label) => Math.max(label, 0)));
    expect(new Set(asTarget.targets[0]).size).toBeGreaterThan(2);
    for (const [k, label] of oneHot.labels.entries()) {
      const channel = [...made.image.slice((2 + k) * count, (3 + k) * count)];
      expect(channel, String(label)).toEqual([...asTarget.targets[0]].map((value) => Number(value === label)));
    }
  });

  it('stay behind intensities: steps before them see the image alone, steps after them all channels', () => {
    const count = 1000;
    const steps: PipelineStep[] = [{ transform: 'brightness', factor: [2, 2] }, oneHot, { transform: 'binaryOperators', channels: 3 }];
    const made = makePatch({
      image,
      labels: target,
      previous,
      shape: SHAPE,
      patchSize: [10, 10, 10],
      crop: { lower: [0, 0, 0], upper: [10, 10, 10] },
      steps,
      drawn: { 0: { factors: [2, 2] }, 1: {}, 2: { operations: [{ channel: 1, operator: 'dilation', radius: 30 }] } },
    });
    expect(made.image[0]).toBe(2);
    // Dilated over the whole patch, it takes every voxel from the others.
    expect(made.image.slice(2 * count, 3 * count).every((value) => value === 0)).toBe(true);
    expect(made.image.slice(3 * count, 4 * count).every((value) => value === 1)).toBe(true);
    expect(made.image.slice(4 * count).every((value) => value === 0)).toBe(true);
  });

  it('must be asked for by the steps, once and with all labels', () => {
    const steps: Step[] = [{ transform: 'replaceLabel' }];
    expect(withPrevious(steps, null)).toBe(steps);
    expect(withPrevious([], [1, 2])).toEqual([{ transform: 'oneHot', labels: [1, 2] }]);
    expect(withPrevious([oneHot], [1, 2, 4])).toEqual([oneHot]);
    expect(() => withPrevious([oneHot], null)).toThrow(/oneHot step, but there is no previous stage. Give `previousStage`/);
    expect(() => withPrevious(steps, [1, 2])).toThrow(/no oneHot step.* Have \{"transform":"oneHot","labels":\[1,2\]\} in it/);
    expect(() => withPrevious([oneHot], [1, 2])).toThrow(/not one with the data set's labels/);
    expect(() => withPrevious([oneHot, oneHot], [1, 2, 4])).toThrow(/not one with/);
  });
});
