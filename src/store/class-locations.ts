import { NumpyRandom } from '../common/numpy-random.ts';
import { forEachRun } from '../raw/label-runs.ts';
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
    const locations = blocks.length === 1 ? offsets.map((offset) => blocks[0][offset]) : offsets.map((offset) => pick(blocks, offset));
    return { labels, voxels: total, locations };
  });
}

function collect(segmentation: Int8Array | Int16Array, wanted: Set<number>): Map<number, Uint32Array> {
  const lowest = Math.min(...wanted);
  // One entry a label, so that a voxel costs one look; 0 for what nobody wants.
  const counts = new Uint32Array(Math.max(...wanted) - lowest + 1);
  forEachRun(segmentation, 0, segmentation.length, (label, start, end) => {
    if (label >= lowest && label - lowest < counts.length) counts[label - lowest] += end - start;
  });
  const found = Array.from(counts, (count, place) => (wanted.has(lowest + place) ? new Uint32Array(count) : null));
  const used = new Uint32Array(counts.length);
  forEachRun(segmentation, 0, segmentation.length, (label, start, end) => {
    const place = label - lowest;
    const indices = place >= 0 && place < found.length ? found[place] : null;
    if (indices !== null) for (let i = start; i < end; i++) indices[used[place]++] = i;
  });
  return new Map(found.flatMap((indices, place) => (indices === null ? [] : [[lowest + place, indices] as const])));
}

/** The entry at `offset` of the blocks laid end to end. */
function pick(blocks: Uint32Array[], offset: number): number {
  for (const block of blocks) {
    if (offset < block.length) return block[offset];
    offset -= block.length;
  }
  throw new RangeError(`offset ${offset} lies past the last block`);
}
