import { type Box, type Triple, triple } from '../dataset/geometry.ts';
import type { Draws } from '../random.ts';

/** Where the lower corner of a patch may lie, both ends included (sampling sheet, section 4.1). */
export interface StartRange {
  lowest: Triple;
  highest: Triple;
  /** How much a box may hang over the volume in total, per axis. */
  padding: Triple;
}

/** The sizes that decide a range. A 2D patch [h, w] is given as [1, h, w]. */
export interface PatchSizes {
  /** What is read: larger than `final` where the augmentation needs a margin. */
  read: Triple;
  /** What the network sees. */
  final: Triple;
  /** Padding that is always allowed, besides the margin. */
  extraPadding?: Triple;
}

/** nnU-Net's bounds: a box may hang over by half the margin, or as far as a volume smaller than the patch needs. */
export function startRange(volume: Triple, { read, final, extraPadding }: PatchSizes): StartRange {
  const padding = triple((axis) => {
    const allowed = read[axis] - final[axis] + (extraPadding?.[axis] ?? 0);
    return allowed + volume[axis] < read[axis] ? read[axis] - volume[axis] : allowed;
  });
  // Negating before the floor division, as Python's precedence has it: both sides get the larger half.
  const lowest = triple((axis) => Math.floor(-padding[axis] / 2));
  const highest = triple((axis) => volume[axis] + Math.floor(padding[axis] / 2) + (padding[axis] % 2) - read[axis]);
  return { lowest, highest, padding };
}

/** A box anywhere in the range, one draw per axis. */
export function randomBox(range: StartRange, read: Triple, draws: Draws): Box {
  return boxAt(triple((axis) => draws.between(range.lowest[axis], range.highest[axis])), read);
}

/**
 * A box with `voxel` at its centre, moved only where it would start below the range. nnU-Net does not limit the other side,
 * and training has been tuned with that, so neither do we.
 */
export function boxAround(voxel: Triple, range: StartRange, read: Triple): Box {
  return boxAt(triple((axis) => Math.max(range.lowest[axis], voxel[axis] - Math.floor(read[axis] / 2))), read);
}

function boxAt(lower: Triple, size: Triple): Box {
  return { lower, upper: triple((axis) => lower[axis] + size[axis]) };
}
