import { type Triple, voxels } from '../common/geometry.ts';
import type { Layout } from '../shared-memory/layout.ts';
import type { Ring } from '../shared-memory/ring.ts';
import type { BoxReader, ResidentArray } from './boxes.ts';
import type { OpenArray, OpenCase } from './open-files.ts';

/** Both arrays of a case that is in memory whole. */
export interface ResidentCase {
  data: ResidentArray;
  segmentation: ResidentArray;
  /** In a cascade: the labels of the previous stage, which stay in their file. */
  previous?: OpenArray | ResidentArray;
}

/**
 * Cases that stay in shared memory, for all workers: cropping from there reads only the rows of the patch, where a file gives
 * whole rows of the volume, through the kernel. Which cases have a place is fixed with the layout; each is loaded by the first
 * worker that needs it. Nobody waits for that: until a case is ready, everyone else reads its file. The bytes are the same.
 */
export class ResidentCases {
  readonly #ring: Ring;
  readonly #layout: Layout;
  readonly #boxes: BoxReader;

  constructor(ring: Ring, boxes: BoxReader) {
    this.#ring = ring;
    this.#layout = ring.layout;
    this.#boxes = boxes;
  }

  /** The case in memory, or null if it is to be read from its files. @param scratch of the reader @throws what reading it throws */
  get(caseNumber: number, shape: Triple, files: () => OpenCase, scratch: number): ResidentCase | null {
    const offset = this.#layout.residentOffsets[caseNumber];
    if (offset === null || offset === undefined) return null;
    if (this.#ring.isResident(caseNumber)) return this.#place(offset, shape);
    if (!this.#ring.beginLoading(caseNumber)) return null;
    const resident = this.#place(offset, shape);
    try {
      const { data, segmentation } = files();
      this.#boxes.load(data, this.#layout.channels, shape, resident.data.pointer, resident.data.bytesPerVoxel, scratch);
      this.#boxes.load(segmentation, 1, shape, resident.segmentation.pointer, resident.segmentation.bytesPerVoxel, scratch);
    } catch (error) {
      this.#ring.endLoading(caseNumber, false);
      throw error;
    }
    this.#ring.endLoading(caseNumber, true);
    return resident;
  }

  #place(offset: number, shape: Triple): ResidentCase {
    const { channels, labelBytes } = this.#layout;
    return {
      data: { pointer: offset, bytesPerVoxel: 4 },
      segmentation: { pointer: offset + residentDataBytes(channels, shape), bytesPerVoxel: labelBytes },
    };
  }
}

/** The image of a resident case, padded so that its labels begin on a cache line. */
function residentDataBytes(channels: number, shape: Triple): number {
  return Math.ceil((4 * channels * voxels(shape)) / 64) * 64;
}

/** What a case takes in memory, in bytes. */
export function residentBytes(channels: number, labelBytes: number, shape: Triple): number {
  return residentDataBytes(channels, shape) + Math.ceil((labelBytes * voxels(shape)) / 64) * 64;
}
