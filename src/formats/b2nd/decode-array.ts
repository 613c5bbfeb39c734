import { StoreError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import { KERNEL_BYTES } from '../../kernels/kernels.ts';
import type { B2ndArray } from './array.ts';
import { BlockReader, blockScratchBytes } from './blocks.ts';

const PAGE = 64 * 1024;
/** A file with larger blocks is none of nnU-Net's, and would take three times as much memory. */
const LARGEST_BLOCK = 512 * 1024 ** 2;

/** A whole array as the bytes of its elements in C order. For what is read once: patches are read by `BlockReader`. @throws StoreError, FileError */
export function decodeArray(array: B2ndArray): Uint8Array {
  const { blockBytes, typesize } = array.head;
  if (blockBytes > LARGEST_BLOCK) throw new StoreError(array.path, `its blocks hold ${blockBytes} bytes`, array.remedy);
  const scratch = blockScratchBytes(blockBytes);
  const pages = Math.ceil((KERNEL_BYTES + scratch) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  const { shape } = array.grid;
  const dense = new Uint8Array(voxels(shape) * typesize);
  const [, depth, height, width] = shape;
  new BlockReader(memory, scratch).read(
    array,
    { lower: [0, 0, 0, 0], upper: shape },
    KERNEL_BYTES,
    (from, at, [channels, planes, rows, columns]) => {
      for (let channel = 0; channel < channels; channel++)
        for (let plane = 0; plane < planes; plane++)
          for (let row = 0; row < rows; row++) {
            const source = from.pointer + channel * from.channel + plane * from.plane + row * from.row;
            const target = (((at[0] + channel) * depth + at[1] + plane) * height + at[2] + row) * width + at[3];
            dense.set(bytes.subarray(source, source + columns * typesize), target * typesize);
          }
    },
  );
  return dense;
}
