import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { countParameters, estimateMemory, type MemoryInput } from '../../src/planning/memory.ts';
import type { Network } from '../../src/plans/network.ts';
import { flatNetwork, PROSTATE_STRIDES } from '../fixtures/networks.ts';

const TINY = flatNetwork([4, 8]);
const input: MemoryInput = { network: TINY, patch: [8, 8], batch: 3, inputChannels: 1, outputChannels: 2 };

const threes = (count: number, axes: number) => Array.from({ length: count }, () => new Array<number>(axes).fill(3));
const PROSTATE: Omit<Network, 'kind' | 'encoder' | 'decoder'> = {
  features: [32, 64, 128, 256, 320, 320, 320],
  strides: PROSTATE_STRIDES,
  kernels: [[1, 3, 3], [1, 3, 3], ...threes(5, 3)],
};

describe('the parameters of a network', () => {
  it('are those of its convolutions, norms, transposed convolutions and heads', () => {
    // Kernel, bias, scale and shift of the encoder; transposed convolution; decoder, on twice the channels; head.
    const encoder = 9 * 1 * 4 + 4 + 2 * 4 + (9 * 4 * 8 + 8 + 2 * 8);
    const decoder = 4 * 8 * 4 + 4 + (9 * 8 * 4 + 4 + 2 * 4) + (4 * 2 + 2);
    expect(countParameters(input)).toBe(encoder + decoder);
    expect(countParameters(input)).toBe(802);
  });

  // Counted in the networks of nnU-Net's own library.
  it.each<[string, Network, number, number, number]>([
    ['of two stages, residual', { ...TINY, kind: 'residual', encoder: [1, 2] }, 1, 2, 2962],
    [
      'planned for hippocampus',
      {
        kind: 'plain',
        features: [32, 64, 128, 256],
        strides: [
          [1, 1, 1],
          [2, 2, 2],
          [2, 2, 2],
          [2, 2, 2],
        ],
        kernels: threes(4, 3),
        encoder: [2, 2, 2, 2],
        decoder: [2, 2, 2],
      },
      1,
      3,
      5_603_177,
    ],
    [
      'with anisotropic kernels and strides',
      { ...PROSTATE, kind: 'plain', encoder: new Array(7).fill(2), decoder: new Array(6).fill(2) },
      2,
      3,
      44_578_770,
    ],
    [
      'with residual blocks',
      { ...PROSTATE, kind: 'residual', encoder: [1, 3, 4, 6, 6, 6, 6], decoder: new Array(6).fill(1) },
      2,
      3,
      140_403_602,
    ],
    [
      'with residual blocks in 2D',
      {
        kind: 'residual',
        features: [32, 64, 128, 256, 512, 512, 512],
        strides: [[1, 1], ...new Array(6).fill([2, 2])],
        kernels: threes(7, 2),
        encoder: [1, 3, 4, 6, 6, 6, 6],
        decoder: new Array(6).fill(1),
      },
      4,
      4,
      105_920_696,
    ],
  ])('%s', (_, network, inputChannels, outputChannels, parameters) => {
    expect(countParameters({ network, inputChannels, outputChannels })).toBe(parameters);
  });
});

describe('what memory is asked of', () => {
  it.each<[object, RegExp]>([
    [{ batch: -5 }, /batch: -5 is not a whole number from 1/],
    [{ batch: '9' }, /batch: "9"/],
    [{ inputChannels: undefined }, /inputChannels: nothing is not a whole number/],
    [{ patch: [] }, /patch: \[\] is not a patch size/],
    [{ patch: [40] }, /patch: it has 1 axes, the network has \d/],
    [{ network: null }, /network: null is not a network/],
    [{ deepSupervision: 'no' }, /deepSupervision: "no" is neither true nor false/],
    [{ batchsize: 3 }, /batchsize: there is no such option/],
  ])('is refused: %j', (wrong, message) => {
    expect(() => estimateMemory(input)).not.toThrow();
    expect(() => estimateMemory({ ...input, ...wrong } as MemoryInput)).toThrow(OptionError);
    expect(() => estimateMemory({ ...input, ...wrong } as MemoryInput)).toThrow(message);
  });
});

describe('the memory of a training step', () => {
  it('has weights, gradients and momentum of four bytes a parameter, and half-precision copies of the weights', () => {
    const { parameters, float32, mixed } = estimateMemory(input);
    expect(parameters).toBe(802);
    expect(float32).toMatchObject({ weights: 4 * 802, gradients: 4 * 802, momentum: 4 * 802 });
    expect(mixed).toMatchObject({ weights: 6 * 802, gradients: 4 * 802, momentum: 4 * 802 });
    for (const { total, ...parts } of [float32, mixed]) expect(total).toBe(Object.values(parts).reduce((sum, part) => sum + part, 0));
  });

  it('keeps the maps of every convolution twice, upsampled and skipped maps together, and losses in float32', () => {
    // Encoder, decoder with what goes into it, and the input; for the loss, two arrays of the outputs.
    const maps = 2 * (4 * 64) + 2 * (8 * 16) + 2 * (4 * 64) + 2 * (4 * 64) + 64;
    const outputs = 2 * 64;
    const { float32, mixed } = estimateMemory(input);
    expect(float32.activations).toBe(3 * (4 * maps + 8 * outputs));
    expect(mixed.activations).toBe(3 * (2 * maps + 8 * outputs));
    expect(float32.transient).toBe(3 * 4 * 3 * (4 * 64));
  });

  it('doubles what depends on samples with the batch, and nothing else', () => {
    const [one, two] = [3, 6].map((batch) => estimateMemory({ ...input, batch }));
    for (const precision of ['float32', 'mixed'] as const) {
      const [before, after] = [one[precision], two[precision]];
      expect([after.activations, after.transient]).toEqual([2 * before.activations, 2 * before.transient]);
      expect([after.weights, after.gradients, after.momentum]).toEqual([before.weights, before.gradients, before.momentum]);
    }
    expect(two.parameters).toBe(one.parameters);
  });

  it('is less in mixed precision where activations prevail', () => {
    const { float32, mixed } = estimateMemory({ ...input, patch: [256, 256] });
    expect(mixed.total).toBeLessThan(float32.total);
  });

  it.each<[string, Partial<MemoryInput>]>([
    ['a larger patch', { patch: [8, 16] }],
    ['a larger batch', { batch: 4 }],
    ['another input channel', { inputChannels: 2 }],
    ['another class', { outputChannels: 3 }],
    ['more features', { network: { ...TINY, features: [8, 16] } }],
    ['another convolution', { network: { ...TINY, encoder: [2, 1] } }],
    ['another one in the decoder', { network: { ...TINY, decoder: [2] } }],
    ['residual blocks', { network: { ...TINY, kind: 'residual' } }],
  ])('grows with %s', (_, more) => {
    const [before, after] = [estimateMemory(input), estimateMemory({ ...input, ...more })];
    expect(after.float32.total).toBeGreaterThan(before.float32.total);
    expect(after.mixed.total).toBeGreaterThan(before.mixed.total);
  });

  it('takes more with a loss at every stage, where there are several', () => {
    const network: Network = {
      ...TINY,
      features: [4, 8, 16],
      strides: [...TINY.strides, [2, 2]],
      kernels: threes(3, 2),
      encoder: [1, 1, 1],
      decoder: [1, 1],
    };
    const [supervised, plain] = [true, false].map((deepSupervision) => estimateMemory({ ...input, network, deepSupervision }));
    // The second stage has a quarter of the pixels.
    expect(supervised.float32.activations - plain.float32.activations).toBe(3 * 8 * 2 * 16);
    expect(estimateMemory({ ...input, network })).toEqual(supervised);
  });
});
