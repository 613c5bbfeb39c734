import { describe, expect, it } from 'vitest';
import { type Box, type Triple, voxels } from '../../src/common/geometry.ts';
import { cropVolume, markLabelsOutside, nonzeroRegion } from '../../src/raw/crop.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

const coordinates = function* ([depth, height, width]: Triple): Generator<Triple> {
  for (let z = 0; z < depth; z++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) yield [z, y, x];
};

/**
 * The definition, slowly: the background of the volume and one layer of background around it are flooded from a corner of that
 * layer, plane by plane until nothing changes. What the flood does not reach is inside.
 */
function reference(mask: Uint8Array, shape: Triple): { inside: Uint8Array; box: Box } {
  const padded: Triple = [shape[0] + 2, shape[1] + 2, shape[2] + 2];
  const at = ([z, y, x]: Triple): number => (z * padded[1] + y) * padded[2] + x;
  const solid = new Uint8Array(voxels(padded));
  let i = 0;
  for (const [z, y, x] of coordinates(shape)) solid[at([z + 1, y + 1, x + 1])] = mask[i++];
  const reached = new Uint8Array(solid.length);
  reached[0] = 1;
  for (let changed = true; changed; ) {
    changed = false;
    for (const [z, y, x] of coordinates(padded)) {
      const here = at([z, y, x]);
      if (reached[here] || solid[here]) continue;
      const neighbours: Triple[] = [
        [z - 1, y, x],
        [z + 1, y, x],
        [z, y - 1, x],
        [z, y + 1, x],
        [z, y, x - 1],
        [z, y, x + 1],
      ];
      const near = neighbours.filter((n) => n.every((value, axis) => value >= 0 && value < padded[axis]));
      if (near.some((n) => reached[at(n)] === 1)) {
        reached[here] = 1;
        changed = true;
      }
    }
  }
  const inside = Uint8Array.from(coordinates(shape), ([z, y, x]) => 1 - reached[at([z + 1, y + 1, x + 1])]);
  const found = [...coordinates(shape)].filter((_, position) => inside[position] === 1);
  if (found.length === 0) return { inside, box: { lower: [0, 0, 0], upper: shape } };
  const along = (axis: number): number[] => found.map((position) => position[axis]);
  return {
    inside,
    box: {
      lower: [0, 1, 2].map((axis) => Math.min(...along(axis))) as Triple,
      upper: [0, 1, 2].map((axis) => Math.max(...along(axis)) + 1) as Triple,
    },
  };
}

/** The region, with marks where there are none to be had. */
function regionOf(channels: Float32Array[], shape: Triple): { marks: Uint8Array; box: Box } {
  const { marks, box } = nonzeroRegion(channels, shape);
  expect(marks?.includes(2)).not.toBe(false);
  return { marks: marks ?? new Uint8Array(voxels(shape)).fill(1), box };
}

function expectLikeReference(mask: Uint8Array, shape: Triple, what: string): void {
  const expected = reference(mask, shape);
  const { marks, box } = regionOf([Float32Array.from(mask)], shape);
  expect(box, what).toEqual(expected.box);
  expect([...marks], what).toEqual([...expected.inside].map((inside) => (inside ? 1 : 2)));
}

/** A solid block with one hole in it, and perhaps a tunnel from the hole to a face. */
function block(shape: Triple, tunnel: (position: Triple) => boolean): Uint8Array {
  return Uint8Array.from(coordinates(shape), ([z, y, x]) => {
    const solid = [z, y, x].every((value, axis) => value >= 1 && value < shape[axis] - 1);
    const hole = z === 3 && y === 3 && x === 3;
    return solid && !hole && !tunnel([z, y, x]) ? 1 : 0;
  });
}

describe('the nonzero region', () => {
  it('holds what is not 0, however small, and 0 of either sign is outside', () => {
    const { marks, box } = regionOf([Float32Array.of(0, -0, 2 ** -149, -(2 ** -149), Number.NaN, -0)], [1, 1, 6]);
    expect([...marks]).toEqual([2, 2, 1, 1, 1, 2]);
    expect(box).toEqual({ lower: [0, 0, 2], upper: [1, 1, 5] });
  });

  it('is the one that the definition gives, for random masks of every density', () => {
    const next = numbers(2026);
    for (let round = 0; round < 150; round++) {
      const shape: Triple = [1 + next(6), 1 + next(6), 1 + next(7)];
      const density = 5 + next(90);
      const mask = Uint8Array.from({ length: voxels(shape) }, () => (next(100) < density ? 1 : 0));
      expectLikeReference(mask, shape, `round ${round}, shape ${shape}, mask ${mask}`);
    }
  });

  it('is the one that the definition gives, of several channels together', () => {
    const next = numbers(4);
    for (let round = 0; round < 60; round++) {
      const shape: Triple = [1 + next(5), 1 + next(5), 1 + next(6)];
      const channels = [0, 1, 2].map(() => Float32Array.from({ length: voxels(shape) }, () => (next(100) < 25 ? next(3) - 1 : 0)));
      const expected = reference(
        Uint8Array.from(channels[0], (_, i) => Number(channels.some((channel) => channel[i] !== 0))),
        shape,
      );
      const { marks, box } = regionOf(channels, shape);
      expect(box, `round ${round}`).toEqual(expected.box);
      expect([...marks], `round ${round}`).toEqual([...expected.inside].map((inside) => (inside ? 1 : 2)));
    }
  });

  it('is the one that the definition gives, wherever a single zero lies', () => {
    for (const shape of [
      [4, 5, 6],
      [3, 3, 3],
      [1, 4, 5],
      [2, 2, 5],
    ] as Triple[])
      for (let i = 0; i < voxels(shape); i++) {
        const mask = new Uint8Array(voxels(shape)).fill(1);
        mask[i] = 0;
        expectLikeReference(mask, shape, `a zero at ${i} of ${shape}`);
      }
  });

  it('is the one that the definition gives, along axes of size 1', () => {
    const next = numbers(7);
    for (const shape of [
      [1, 6, 6],
      [6, 1, 6],
      [6, 6, 1],
      [1, 1, 9],
      [1, 9, 1],
      [9, 1, 1],
      [1, 1, 1],
      [2, 2, 2],
    ] as Triple[]) {
      for (let round = 0; round < 10; round++) {
        const mask = Uint8Array.from({ length: voxels(shape) }, () => next(2));
        expectLikeReference(mask, shape, `shape ${shape}, mask ${mask}`);
      }
    }
  });

  it('has its holes filled', () => {
    const mask = block([7, 7, 7], () => false);
    const { marks, box } = regionOf([Float32Array.from(mask)], [7, 7, 7]);
    expect(box).toEqual({ lower: [1, 1, 1], upper: [6, 6, 6] });
    expect(marks[(3 * 7 + 3) * 7 + 3]).toBe(1);
    expectLikeReference(mask, [7, 7, 7], 'hole');
  });

  it('has no hole where a tunnel leads outside, straight or bent', () => {
    const straight = block([7, 7, 7], ([z, y, x]) => z === 3 && y === 3 && x > 3);
    const bent = block([7, 7, 7], ([z, y, x]) => (z === 3 && y === 3 && x === 4) || (z <= 3 && y === 3 && x === 4));
    for (const mask of [straight, bent]) {
      const { marks } = regionOf([Float32Array.from(mask)], [7, 7, 7]);
      expect(marks[(3 * 7 + 3) * 7 + 3]).toBe(2);
      expectLikeReference(mask, [7, 7, 7], 'tunnel');
    }
  });

  it('keeps a hole that touches the outside only by an edge', () => {
    const shape: Triple = [3, 4, 4];
    const mask = Uint8Array.from(coordinates(shape), ([z, y, x]) => (z === 1 && y === 1 && x === 1 ? 0 : 1));
    mask[(0 * 4 + 0) * 4 + 1] = 0;
    expectLikeReference(mask, shape, 'edge');
    expect(regionOf([Float32Array.from(mask)], shape).marks[(1 * 4 + 1) * 4 + 1]).toBe(1);
  });

  it('is nowhere in an image of zeros, which keeps its whole extent', () => {
    const { marks, box } = regionOf([new Float32Array(24), new Float32Array(24)], [2, 3, 4]);
    expect(box).toEqual({ lower: [0, 0, 0], upper: [2, 3, 4] });
    expect(marks.every((mark) => mark === 2)).toBe(true);
  });

  it('is everywhere in an image without zeros', () => {
    const { marks, box } = nonzeroRegion([new Float32Array(24).fill(-0.5)], [2, 3, 4]);
    expect(box).toEqual({ lower: [0, 0, 0], upper: [2, 3, 4] });
    expect(marks).toBeNull();
  });

  it('is nonzero in any channel, negative values included, and takes -0 for zero', () => {
    const one = Float32Array.from([-0, 0, -3, 0, 0, 0]);
    const two = Float32Array.from([0, 0, 0, 0, 1e-30, 0]);
    const { marks, box } = regionOf([one, two], [1, 1, 6]);
    expect([...marks]).toEqual([2, 2, 1, 2, 1, 2]);
    expect(box).toEqual({ lower: [0, 0, 2], upper: [1, 1, 5] });
  });

  it('is found in volumes with far more background than the queue first holds', () => {
    const shape: Triple = [30, 31, 32];
    const image = new Float32Array(voxels(shape));
    image[(10 * 31 + 20) * 32 + 5] = 1;
    const { marks, box } = regionOf([image], shape);
    expect(box).toEqual({ lower: [10, 20, 5], upper: [11, 21, 6] });
    expect(marks.filter((mark) => mark === 2)).toHaveLength(voxels(shape) - 1);
  });
});

describe('cropping', () => {
  it('gives the voxels of the box in their order, as a copy of the same type', () => {
    const volume = Int16Array.from({ length: 2 * 3 * 4 }, (_, i) => i);
    const cropped = cropVolume(volume, [2, 3, 4], { lower: [1, 0, 1], upper: [2, 2, 4] });
    expect(cropped).toEqual(Int16Array.from([13, 14, 15, 17, 18, 19]));
    cropped[0] = 99;
    expect(volume[13]).toBe(13);
  });

  it('to the whole volume changes nothing', () => {
    const volume = Float32Array.from({ length: 24 }, (_, i) => i / 3);
    expect(cropVolume(volume, [2, 3, 4], { lower: [0, 0, 0], upper: [2, 3, 4] })).toEqual(volume);
  });
});

describe('labels outside the region', () => {
  it('become -1 where they are background, and stay where they are not', () => {
    const segmentation = Int8Array.from([0, 1, 0, 2]);
    markLabelsOutside(segmentation, Uint8Array.from([2, 2, 1, 1]));
    expect([...segmentation]).toEqual([-1, 1, 0, 2]);
  });
});
