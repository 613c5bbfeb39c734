import { voxels } from '../../common/geometry.ts';
import { KERNEL_BYTES, type SharedMemory } from '../../kernels/kernels.ts';
import type { B2ndArray } from './array.ts';
import { BlockReader, blockScratchBytes } from './blocks.ts';
import type { Four, FourBox } from './grid.ts';

const PAGE = 64 * 1024;

/** Reads boxes of .b2nd files into arrays of their own, for who has no shared memory to read into. */
export class DenseReader {
  readonly #bytes: Uint8Array;
  readonly #blocks: BlockReader;

  /** @param blockBytes of the largest block of all files that it is to read */
  constructor(blockBytes: number) {
    const scratch = blockScratchBytes(blockBytes);
    const pages = Math.ceil((KERNEL_BYTES + scratch) / PAGE);
    const memory: SharedMemory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#bytes = new Uint8Array(memory.buffer);
    this.#blocks = new BlockReader(memory, scratch);
  }

  /** The bytes of the elements of a box, in C order. @throws what `BlockReader.read` throws */
  read(array: B2ndArray, box: FourBox): Uint8Array<ArrayBuffer> {
    const { typesize } = array.head;
    const shape = box.lower.map((from, axis) => box.upper[axis] - from);
    const dense = new Uint8Array(voxels(shape) * typesize);
    this.#blocks.read(array, box, KERNEL_BYTES, (from, at, [channels, planes, rows, columns]) => {
      for (let c = 0; c < channels; c++)
        for (let z = 0; z < planes; z++)
          for (let y = 0; y < rows; y++) {
            const start = from.pointer + c * from.channel + z * from.plane + y * from.row;
            const to = ((at[0] + c) * shape[1] + at[1] + z) * shape[2] + at[2] + y;
            dense.set(this.#bytes.subarray(start, start + columns * typesize), (to * shape[3] + at[3]) * typesize);
          }
    });
    return dense;
  }

  /** Decodes every chunk of a file: throws where one is damaged so that it shows. */
  check(array: B2ndArray): void {
    const { shape, chunk } = array.grid;
    const steps = shape.map((size, axis) => Array.from({ length: Math.ceil(size / chunk[axis]) }, (_, i) => i * chunk[axis]));
    for (const c of steps[0])
      for (const z of steps[1])
        for (const y of steps[2])
          for (const x of steps[3]) {
            const lower: Four = [c, z, y, x];
            const upper = lower.map((from, axis) => Math.min(from + chunk[axis], shape[axis])) as Four;
            this.#blocks.read(array, { lower, upper }, KERNEL_BYTES, () => {});
          }
  }
}
