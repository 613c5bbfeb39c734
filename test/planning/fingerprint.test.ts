import { describe, expect, it } from 'vitest';
import { fingerprintCase, sampleForeground, samplesPerCase } from '../../src/planning/fingerprint.ts';

describe('the intensity samples', () => {
  it('are a hundred million over all cases', () => {
    expect(samplesPerCase(1)).toBe(100_000_000);
    expect(samplesPerCase(3)).toBe(33_333_333);
  });

  it('are the ones that nnU-Net draws, with replacement', () => {
    // RandomState(1234).randint(0, 1000, 6) is 815, 723, 294, 53, 204, 372.
    const channel = Float32Array.from({ length: 1500 }, (_, i) => i);
    const segmentation = Int8Array.from({ length: 1500 }, (_, i) => (i < 500 ? [0, -1][i % 2] : 1 + (i % 3)));
    const [drawn] = sampleForeground([channel], segmentation, 6);
    expect([...drawn]).toEqual([1315, 1223, 794, 553, 704, 872]);
  });

  it('of a second channel go on with the same stream', () => {
    const segmentation = new Int8Array(1000).fill(1);
    const channel = Float32Array.from({ length: 1000 }, (_, i) => i);
    const [first, second] = sampleForeground([channel, channel], segmentation, 3);
    expect([...first, ...second]).toEqual([815, 723, 294, 53, 204, 372]);
  });

  it('are none without foreground', () => {
    const found = sampleForeground([new Float32Array(4), new Float32Array(4)], Int8Array.from([0, -1, 0, 0]), 10);
    expect(found.map(({ length }) => length)).toEqual([0, 0]);
  });
});

describe('the fingerprint of a case', () => {
  const cropped = {
    channels: [Float32Array.from([5, 6, 7, 8])],
    segmentation: Int8Array.from([0, 0, 0, 1]),
    shape: [1, 2, 2] as [number, number, number],
    shapeBeforeCrop: [2, 4, 2] as [number, number, number],
    spacing: [3, 1, 1] as [number, number, number],
  };

  it('has the part of the volume that cropping leaves', () => {
    expect(fingerprintCase(cropped, 3, [false])).toEqual({
      spacing: [3, 1, 1],
      shapeAfterCrop: [1, 2, 2],
      relativeSizeAfterCrop: 0.25,
      foreground: [],
    });
  });

  it('has as many intensities as asked for', () => {
    expect([...fingerprintCase(cropped, 3, [true]).foreground[0]]).toEqual([8, 8, 8]);
  });

  it('leaves out channels that nobody wants, and gives the others what they would have had', () => {
    const channels = [Float32Array.from([1, 2, 3, 4]), Float32Array.from([5, 6, 7, 8])];
    const segmentation = Int8Array.from([1, 1, 1, 1]);
    const all = sampleForeground(channels, segmentation, 20);
    expect(sampleForeground(channels, segmentation, 20, [false, true])).toEqual([new Float32Array(0), all[1]]);
  });
});
