import { type Box, boxShape, type Triple, voxels } from '../common/geometry.ts';
import { BlockReader, blockScratchBytes } from '../formats/b2nd/blocks.ts';
import { readExactly } from '../formats/read-exactly.ts';
import { bindKernels, type Kernels, type SharedMemory, type VoxelType } from '../kernels/kernels.ts';
import { type Strided, strided } from '../kernels/strided.ts';
import type { OpenArray, OpenBlocks, OpenInflated, OpenNpy, StoredVoxels } from './open-files.ts';

/** A volume in the shared memory: C-ordered voxels from `pointer` on. */
export interface ResidentArray extends StoredVoxels {
  pointer: number;
}

/** Where voxels come from: a file, or memory. */
export type Source = OpenArray | ResidentArray;

/** Gets a part of a box of one channel: where it is until the next one comes, its place in the box, and its planes, rows and columns. */
export type TakeBox = (channel: number, from: Strided, at: Triple, size: Triple) => void;

/** Voxels that lie in memory, and what they are. */
export interface Located extends Strided {
  bytesPerVoxel: number;
}

/** Reading this much that nobody needs costs as much as another system call. */
const WORTHWHILE_GAP = 16 * 1024;

/** Of an image, at most; labels have less. */
const IMAGE_BYTES = 4;
/** Slabs up to this size are read at once: they stay in a core's second-level cache until they are cropped. */
const SLAB_BYTES = 256 * 1024;

/**
 * The scratch that reading boxes of `patch` out of volumes of `shapes` takes, in bytes.
 * @param blockBytes of the largest block of .b2nd files; 0 without such files
 */
export function slabBytes(patch: Triple, shapes: readonly Triple[], blockBytes: number): number {
  const plane = Math.max(
    ...shapes.map(([, height, width]) => ((Math.min(patch[1], height) - 1) * width + Math.min(patch[2], width)) * IMAGE_BYTES),
  );
  return Math.max(plane, SLAB_BYTES, blockBytes === 0 ? 0 : blockScratchBytes(blockBytes));
}

/** Whether it is an image that is not float32. */
function isNarrow({ float16, lines }: StoredVoxels): boolean {
  return float16 === true || lines !== undefined;
}

/** What the voxels of one channel are. */
export function voxelsOf(source: StoredVoxels, channel: number): VoxelType {
  return source.lines === undefined ? source : { bytesPerVoxel: source.bytesPerVoxel, line: source.lines[channel] };
}

/** Which channels of a source, half open, and which box of them; it lies inside the volume. */
export interface Wanted {
  channels: readonly [first: number, end: number];
  shape: Triple;
  box: Box;
}

/**
 * Reads boxes of voxels out of whatever holds them: memory, where they lie; an .npy file, of which a slab of whole rows at a time is
 * read into the scratch; a .b2nd file, whose touched blocks are decoded there.
 */
export class BoxReader {
  readonly #kernels: Kernels;
  readonly #bytes: Uint8Array;
  readonly #scratchBytes: number;
  readonly #blocks: BlockReader;

  constructor(memory: SharedMemory, scratchBytes: number) {
    this.#kernels = bindKernels(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#scratchBytes = scratchBytes;
    this.#blocks = new BlockReader(memory, scratchBytes);
  }

  /** Hands over every voxel of the box once. @throws what reading the file throws */
  read(source: Source, wanted: Wanted, scratch: number, take: TakeBox): void {
    if ('blocks' in source) {
      this.#readBlocks(source, wanted, scratch, take);
      return;
    }
    const [first, end] = wanted.channels;
    for (let channel = first; channel < end; channel++) {
      if ('pointer' in source) take(channel, place(source, source.pointer, channel, wanted), [0, 0, 0], boxShape(wanted.box));
      else this.#readSlabs(source, channel, wanted, scratch, take);
    }
  }

  /**
   * Copies the box to `dense` [channel, z, y, x], one channel after the other. What is stored narrower is widened: images to float32,
   * labels to int16.
   * @param bytesPerVoxel of the dense array
   */
  copy(source: Source, wanted: Wanted, dense: number, bytesPerVoxel: number, scratch: number): void {
    const size = boxShape(wanted.box);
    const [first] = wanted.channels;
    const widen = source.bytesPerVoxel < bytesPerVoxel;
    this.read(source, wanted, scratch, (channel, from, at, [planes, rows, columns]) => {
      const to = strided(dense + (channel - first) * voxels(size) * bytesPerVoxel, size, at, bytesPerVoxel);
      if (isNarrow(source)) this.#kernels.copyImage(from, to, planes, rows, columns, voxelsOf(source, channel));
      else if (widen) this.#kernels.copyLabels(from, to, planes, rows, columns, source);
      else this.#kernels.copyBox(from, to, planes, rows, columns * bytesPerVoxel);
    });
  }

  /**
   * The voxels of the box in memory, one channel after the other; each is there until the next one is asked for. From a file they
   * are read into `dense` first, with room for `atOnce` channels.
   */
  *locate(source: Source, { channels, ...wanted }: Wanted, dense: number, atOnce: number, scratch: number): Generator<Located> {
    const [first, end] = channels;
    // Blocks of several channels are decoded once, not once a channel.
    const together = 'blocks' in source ? Math.min(source.blocks.grid.block[0], atOnce) : 1;
    const bytesPerVoxel = isNarrow(source) ? IMAGE_BYTES : source.unsigned ? 2 : source.bytesPerVoxel;
    const size = boxShape(wanted.box);
    for (let from = first; from < end; from += together) {
      const to = Math.min(from + together, end);
      if (!('pointer' in source)) this.copy(source, { channels: [from, to], ...wanted }, dense, bytesPerVoxel, scratch);
      for (let channel = from; channel < to; channel++) {
        const at: Strided =
          'pointer' in source
            ? place(source, source.pointer, channel, wanted)
            : strided(dense + (channel - from) * voxels(size) * bytesPerVoxel, size, [0, 0, 0], bytesPerVoxel);
        yield { ...at, bytesPerVoxel };
      }
    }
  }

  /** A whole array to `pointer`, as `copy` does. */
  load(source: OpenArray, channels: number, shape: Triple, pointer: number, bytesPerVoxel: number, scratch: number): void {
    if ('offset' in source && source.bytesPerVoxel === bytesPerVoxel)
      this.#readBytes(source, pointer, channels * voxels(shape) * bytesPerVoxel, source.offset);
    else this.copy(source, { channels: [0, channels], shape, box: { lower: [0, 0, 0], upper: shape } }, pointer, bytesPerVoxel, scratch);
  }

  #readBlocks({ blocks }: OpenBlocks, { channels, box }: Wanted, scratch: number, take: TakeBox): void {
    const four = { lower: [channels[0], ...box.lower], upper: [channels[1], ...box.upper] };
    this.#blocks.read(blocks, four as Parameters<BlockReader['read']>[1], scratch, (from, [first, ...at], [count, ...size]) => {
      for (let i = 0; i < count; i++) take(channels[0] + first + i, { ...from, pointer: from.pointer + i * from.channel }, at, size);
    });
  }

  #readSlabs(file: OpenNpy | OpenInflated, channel: number, { shape, box }: Wanted, scratch: number, take: TakeBox): void {
    const [depth, rows, columns] = boxShape(box);
    const { row, plane, pointer: start } = place(file, file.offset, channel, { shape, box });
    const span = (rows - 1) * row + columns * file.bytesPerVoxel;
    const atOnce = plane - span > WORTHWHILE_GAP ? 1 : Math.max(1, Math.floor((this.#scratchBytes - span) / plane) + 1);
    for (let z = 0; z < depth; z += atOnce) {
      const planes = Math.min(atOnce, depth - z);
      this.#readBytes(file, scratch, (planes - 1) * plane + span, start + z * plane);
      take(channel, { pointer: scratch, row, plane }, [z, 0, 0], [planes, rows, columns]);
    }
  }

  #readBytes(file: OpenNpy | OpenInflated, pointer: number, length: number, position: number): void {
    if ('bytes' in file) this.#bytes.set(file.bytes.subarray(position, position + length), pointer);
    else readExactly(file, this.#bytes, pointer, length, position);
  }
}

/** Where the box begins in a volume [channel, z, y, x] that begins at `start`. */
function place({ bytesPerVoxel }: StoredVoxels, start: number, channel: number, { shape, box }: Pick<Wanted, 'shape' | 'box'>): Strided {
  const [z, y, x] = box.lower;
  return strided(start, shape, [channel * shape[0] + z, y, x], bytesPerVoxel);
}
