import { AXES, type Axis, patchOf, type Triple, triple, voxels } from '../../common/geometry.ts';

/** What nnU-Net lets a block and a chunk hold, in bytes (`nnunet_dataset.py` of 2.8.1, `comp_blosc2_params`). */
const BLOCK_BYTES = 128 * 1024;
const CHUNK_BYTES = 6 * 1024 ** 2;
/** A chunk is at most so many times as long as the patch. */
const CHUNK_TO_PATCH = 1.5;

/** How a channel is divided: chunks are found by the file's index, blocks are decompressed on their own. */
export interface Division {
  chunk: Triple;
  block: Triple;
}

/**
 * The chunks and blocks that nnU-Net 2.8.1 chooses for a channel of `shape` that patches of `patchSize` (two or three axes) are read
 * from, `bytes` a voxel. A patch touches few blocks, and not much beside itself.
 */
export function divide(shape: Triple, patchSize: readonly number[], bytes: number): Division {
  const patch = patchOf(patchSize);
  const target = triple((axis) => Math.max(1, Math.min(shape[axis], Math.floor(CHUNK_TO_PATCH * patch[axis]))));
  const block = triple((axis) => Math.min(2 ** Math.ceil(Math.log2(patch[axis])), shape[axis]));
  while (voxels(block) * bytes > BLOCK_BYTES) {
    // Of axes that are equally long, the last.
    const axis = [...AXES]
      .reverse()
      .sort((a, b) => block[b] / target[b] - block[a] / target[a])
      .find((axis) => block[axis] > 1) as Axis;
    block[axis] = 2 ** (Math.ceil(Math.log2(block[axis])) - 1);
  }
  return { block, chunk: grow(block, { shape, target, patch, bytes }) };
}

/** A block more along the axis that covers the least of its target, of equals the one where the image is longest. */
function grow(block: Triple, { shape, target, patch, bytes }: { shape: Triple; target: Triple; patch: Triple; bytes: number }): Triple {
  const chunk: Triple = [...block];
  for (;;) {
    const longer = triple((axis) => Math.min(chunk[axis] + block[axis], shape[axis], target[axis]));
    const [axis] = AXES.filter(
      (axis) => patch[axis] > 1 && chunk[axis] < target[axis] && (voxels(chunk) / chunk[axis]) * longer[axis] * bytes <= CHUNK_BYTES,
    ).sort((a, b) => chunk[a] / target[a] - chunk[b] / target[b] || shape[b] - shape[a]);
    if (axis === undefined) return chunk;
    chunk[axis] = longer[axis];
  }
}
