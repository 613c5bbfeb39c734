import { type Box, type Triple, triple } from './geometry.ts';
import type { Draws } from './random.ts';

/** Where the lower corner of a patch may lie, both ends included (docs/nnunet.md#bounds-of-a-box). */
export interface StartRange {
  lowest: Triple;
  highest: Triple;
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

/** How far a box may hang over any volume, both sides together. */
export function allowedPadding({ read, final, extraPadding }: PatchSizes): Triple {
  return triple((axis) => read[axis] - final[axis] + (extraPadding?.[axis] ?? 0));
}

/** nnU-Net's bounds: a box may hang over by half the padding on each side, or as far as a volume smaller than it needs. */
export function startRange(volume: Triple, patch: PatchSizes): StartRange {
  const { read } = patch;
  const allowed = allowedPadding(patch);
  const padding = triple((axis) => Math.max(allowed[axis], read[axis] - volume[axis]));
  // The larger half of an odd padding goes to both sides: Python's floor division of a negative number.
  const half = triple((axis) => Math.ceil(padding[axis] / 2));
  const lowest = triple((axis) => 0 - half[axis]);
  const highest = triple((axis) => volume[axis] - read[axis] + half[axis]);
  return { lowest, highest };
}

/** A box anywhere in the range, one draw per axis. */
export function randomBox(range: StartRange, read: Triple, draws: Draws): Box {
  return boxAt(
    triple((axis) => draws.between(range.lowest[axis], range.highest[axis])),
    read,
  );
}

/**
 * A box with `voxel` at its centre, moved only where it would start below the range. nnU-Net does not limit the other side,
 * and training has been tuned with that, so neither do we.
 */
export function boxAround(voxel: Triple, range: StartRange, read: Triple): Box {
  return boxAt(
    triple((axis) => Math.max(range.lowest[axis], voxel[axis] - Math.floor(read[axis] / 2))),
    read,
  );
}

function boxAt(lower: Triple, size: Triple): Box {
  return { lower, upper: triple((axis) => lower[axis] + size[axis]) };
}
