import type { VolumeFacts } from '../facts.ts';
import { addressOf, askPacket } from './api.ts';
import { LRU } from './lru.ts';
import type { Slice } from './render.ts';

/** A whole case in memory. */
export interface Volume {
  facts: VolumeFacts;
  image: Float32Array;
  labels: Int16Array;
}

/** Cases looked at last. */
const kept = new LRU<Promise<Volume>>(4);

export function askVolume(caseNumber: number, channel: number): Promise<Volume> {
  return kept.get(`${caseNumber} ${channel}`, async () => {
    const { facts, arrays } = await askPacket<VolumeFacts>(addressOf('volume', { case: caseNumber, channel }));
    return { facts, image: arrays.image as Float32Array, labels: arrays.labels as Int16Array };
  });
}

/** A part of a volume, or more than that: half open, in its voxels. */
export interface Region {
  lower: readonly number[];
  upper: readonly number[];
}

/** A slice of it, in the order of its axes. Around the volume there is nothing: black. */
export function cut({ facts: { shape }, image, labels }: Volume, axis: number, position: number, { lower, upper }: Region): Slice {
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [down, across] = [0, 1, 2].filter((other) => other !== axis);
  const [rows, columns] = [upper[down] - lower[down], upper[across] - lower[across]];
  const slice = { image: new Float32Array(rows * columns).fill(Number.NaN), labels: new Int16Array(rows * columns), rows, columns };
  if (position < 0 || position >= shape[axis]) return slice;
  const [first, end] = [Math.max(0, lower[across]), Math.min(shape[across], upper[across])];
  for (let row = Math.max(0, lower[down]); row < Math.min(shape[down], upper[down]); row++) {
    const from = position * strides[axis] + row * strides[down];
    const to = (row - lower[down]) * columns - lower[across];
    for (let column = first; column < end; column++) {
      slice.image[to + column] = image[from + column * strides[across]];
      slice.labels[to + column] = labels[from + column * strides[across]];
    }
  }
  return slice;
}
