import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { Draws, PURPOSE } from '../../src/common/random.ts';
import { type StoreCase, writeStore } from '../../src/index.ts';
import { INDEX_FILE } from '../../src/store/file-names.ts';
import { openStore, type Store } from '../../src/store/store.ts';

/** What made-up volumes may be besides noise in one channel. */
export interface SyntheticOptions {
  channels?: number;
  /** Whether there is nothing outside of an ellipsoid: image 0, label -1, and channels normalised within it. */
  masked?: boolean;
}

/** A store of made-up volumes, large enough to measure with: noise, and balls of three classes, about 1 % foreground together. */
export async function syntheticStore(
  dir: string,
  cases: number,
  shape: Triple,
  { channels = 1, masked = false }: SyntheticOptions = {},
): Promise<Store> {
  if (existsSync(join(dir, INDEX_FILE))) return openStore(dir);
  rmSync(dir, { recursive: true, force: true });
  return writeStore(dir, {
    name: `synthetic ${shape.join('x')}`,
    channels: Array.from({ length: channels }, (_, channel) => `noise ${channel}`),
    labels: { background: 0, one: 1, two: 2, three: 3 },
    cases: syntheticCases(cases, shape, channels, masked),
    normalisation: Array(channels).fill({ scheme: 'zscore', masked }),
  });
}

function* syntheticCases(cases: number, shape: Triple, channels: number, masked: boolean): Generator<StoreCase> {
  for (let number = 0; number < cases; number++) {
    const image = new Float32Array(channels * voxels(shape));
    for (let channel = 0; channel < channels; channel++)
      image.set(noiseImage(shape, number * channels + channel + 1), channel * voxels(shape));
    const segmentation = ballLabels(shape, number);
    if (masked) clearOutside(image, segmentation, shape);
    yield { id: `case_${number}`, shape, image, segmentation };
  }
}

function clearOutside(image: Float32Array, segmentation: Int8Array, [depth, height, width]: Triple): void {
  const part = (i: number, size: number): number => ((2 * i + 1 - size) / (0.96 * size)) ** 2;
  let voxel = 0;
  for (let z = 0; z < depth; z++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++, voxel++) {
        if (part(z, depth) + part(y, height) + part(x, width) <= 1) continue;
        segmentation[voxel] = -1;
        for (let i = voxel; i < image.length; i += segmentation.length) image[i] = 0;
      }
}

/** float32 from -1 to 1. */
export function noiseImage(shape: Triple, seed: number): Float32Array {
  const image = new Float32Array(voxels(shape));
  let state = seed;
  for (let i = 0; i < image.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    image[i] = state / 2 ** 31 - 1;
  }
  return image;
}

/** One ball a class, each a third of a percent of the volume, anywhere inside. */
export function ballLabels(shape: Triple, number: number): Int8Array {
  const segmentation = new Int8Array(voxels(shape));
  const radius = Math.floor(((voxels(shape) / 300) * (3 / (4 * Math.PI))) ** (1 / 3));
  for (const label of [1, 2, 3]) {
    const draws = new Draws(1, number * 3 + label, PURPOSE.box);
    const centre = shape.map((size) => draws.between(radius, size - 1 - radius));
    for (let z = -radius; z <= radius; z++) {
      for (let y = -radius; y <= radius; y++) {
        for (let x = -radius; x <= radius; x++) {
          if (z * z + y * y + x * x > radius * radius) continue;
          segmentation[((centre[0] + z) * shape[1] + centre[1] + y) * shape[2] + centre[2] + x] = label;
        }
      }
    }
  }
  return segmentation;
}
