import { NumpyRandom } from '../common/numpy-random.ts';
import type { LabelClass } from '../raw/labels.ts';

/** nnU-Net keeps at least this many voxels of a class (all of them if there are fewer) … */
const MINIMUM = 10_000;
/** … and at least this fraction of them (`default_preprocessor.py`, `_sample_foreground_locations`). */
const FRACTION = 0.01;
/** Its seed, fresh for every case. */
const SEED = 1234;

/** The stored voxels of one class of one case. */
export interface ClassLocations {
  labels: number[];
  /** How many voxels of the case belong to the class; null where that is not known. */
  voxels: number | null;
  /** Flat indices into the segmentation [z, y, x], C order, in the order nnU-Net draws them. */
  locations: Uint32Array;
}

/**
 * Picks the voxels that forced patches are centred on, the same ones as nnU-Net (docs/nnunet.md#class-locations).
 * Holds one flat index per voxel of any asked-for label while it works.
 */
export function sampleClassLocations(segmentation: Int8Array | Int16Array, classes: readonly LabelClass[]): ClassLocations[] {
  const byLabel = collect(segmentation, new Set(classes.flatMap(({ labels }) => labels)));
  const random = new NumpyRandom(SEED);
  return classes.map(({ labels }) => {
    const blocks = labels.map((label) => byLabel.get(label) ?? new Uint32Array(0));
    const total = blocks.reduce((sum, block) => sum + block.length, 0);
    if (total === 0) return { labels, voxels: 0, locations: new Uint32Array(0) };
    const count = Math.max(Math.min(MINIMUM, total), Math.ceil(FRACTION * total));
    const offsets = random.permutation(total).subarray(0, count);
    return { labels, voxels: total, locations: Uint32Array.from(offsets, (offset) => pick(blocks, offset)) };
  });
}

function collect(segmentation: Int8Array | Int16Array, wanted: Set<number>): Map<number, Uint32Array> {
  const counts = new Map<number, number>();
  for (let i = 0; i < segmentation.length; i++) {
    const label = segmentation[i];
    if (wanted.has(label)) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const found = new Map([...counts].map(([label, count]) => [label, { indices: new Uint32Array(count), used: 0 }]));
  for (let i = 0; i < segmentation.length; i++) {
    const list = found.get(segmentation[i]);
    if (list) list.indices[list.used++] = i;
  }
  return new Map([...found].map(([label, { indices }]) => [label, indices]));
}

/** The entry at `offset` of the blocks laid end to end. */
function pick(blocks: Uint32Array[], offset: number): number {
  for (const block of blocks) {
    if (offset < block.length) return block[offset];
    offset -= block.length;
  }
  throw new RangeError(`offset ${offset} lies past the last block`);
}
