import { bindKernels, type Kernels, type Strided } from '../kernels/kernels.ts';
import { type Box, boxShape, intersect, type Triple, triple, voxels } from './geometry.ts';
import { OUTSIDE } from './labels.ts';
import { type OpenArray, type OpenCase, readExactly } from './open-files.ts';
import { extendEdges, type PadMode } from './pad.ts';

/** Where a patch goes in the shared memory, in bytes from its start. */
export interface PatchPlace {
  /** float32 [C, z, y, x]. */
  data: number;
  /** int16 [z, y, x]. */
  target: number;
  /** A region for the slabs that are read. */
  scratch: number;
}

/** Reading this much that nobody needs costs as much as another system call. */
const WORTHWHILE_GAP = 16 * 1024;
/** Slabs up to this size are read at once: they stay in a core's second-level cache until they are cropped. */
const SLAB_BYTES = 256 * 1024;

/** The scratch that patches of `patch` out of volumes of `shapes` need, in bytes. */
export function scratchBytes(patch: Triple, shapes: readonly Triple[]): number {
  const bytesPerVoxel = 4;
  const plane = Math.max(
    ...shapes.map(([, height, width]) =>
      planeSpan(Math.min(patch[1], height), Math.min(patch[2], width), width * bytesPerVoxel, bytesPerVoxel),
    ),
  );
  return Math.max(plane, SLAB_BYTES);
}

/** From the first needed byte of a plane to the last. */
function planeSpan(rows: number, count: number, rowBytes: number, bytesPerVoxel: number): number {
  return (rows - 1) * rowBytes + count * bytesPerVoxel;
}

/**
 * Reads boxes out of stored volumes straight into shared memory: a slab of whole rows at a time into the scratch, from there
 * cropped into the patch. Voxels outside the volume are 0 in the image (the mean, after normalisation) and -1 in the target.
 */
export class PatchReader {
  readonly #kernels: Kernels;
  readonly #bytes: Uint8Array;
  readonly #channels: number;
  readonly #scratchBytes: number;
  readonly #padMode: PadMode;

  constructor(memory: WebAssembly.Memory, channels: number, scratchBytes: number, padMode: PadMode = 'constant') {
    this.#kernels = bindKernels(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#channels = channels;
    this.#scratchBytes = scratchBytes;
    this.#padMode = padMode;
  }

  /** Writes one patch and its target. Returns whether the target holds any foreground (a label above 0). */
  read(files: OpenCase, shape: Triple, box: Box, place: PatchPlace): boolean {
    const size = boxShape(box);
    const count = voxels(size);
    const image = new Float32Array(this.#bytes.buffer, place.data, this.#channels * count);
    const target = new Int16Array(this.#bytes.buffer, place.target, count);
    const inside = intersect(box, shape);
    if (inside === null) {
      // nnU-Net's crop returns zeros for a box outside, for labels too; planned boxes always touch their volume.
      image.fill(0);
      target.fill(0);
      return false;
    }
    const within: Box = {
      lower: triple((axis) => inside.lower[axis] - box.lower[axis]),
      upper: triple((axis) => inside.upper[axis] - box.lower[axis]),
    };
    if (voxels(boxShape(inside)) < count) {
      image.fill(0);
      target.fill(OUTSIDE);
    }
    for (let channel = 0; channel < this.#channels; channel++) {
      const to = strided(place.data + channel * count * 4, size, within.lower, 4);
      this.#readSlabs(files.data, channel * shape[0], shape, inside, to, place.scratch, (from, at, planes, rows, columns) =>
        this.#kernels.copyBox(from, at, planes, rows, columns * 4),
      );
      if (this.#padMode !== 'constant') extendEdges(image.subarray(channel * count, (channel + 1) * count), size, within, this.#padMode);
    }
    const { segmentation } = files;
    const copy = segmentation.bytesPerVoxel === 1 ? this.#kernels.widenLabels : this.#kernels.copyLabels;
    let foreground = false;
    this.#readSlabs(segmentation, 0, shape, inside, strided(place.target, size, within.lower, 2), place.scratch, (...slab) => {
      foreground = copy(...slab) || foreground;
    });
    return foreground;
  }

  /** `copy` gets each slab as it lies in the scratch, its place in the patch, and its planes, rows and columns. */
  #readSlabs(
    file: OpenArray,
    firstPlane: number,
    [, height, width]: Triple,
    inside: Box,
    to: Strided,
    scratch: number,
    copy: (from: Strided, to: Strided, planes: number, rows: number, columns: number) => void,
  ): void {
    const [depth, rows, columns] = boxShape(inside);
    const rowBytes = width * file.bytesPerVoxel;
    const planeBytes = height * rowBytes;
    const span = planeSpan(rows, columns, rowBytes, file.bytesPerVoxel);
    const atOnce = planeBytes - span > WORTHWHILE_GAP ? 1 : Math.max(1, Math.floor((this.#scratchBytes - span) / planeBytes) + 1);
    const start =
      file.offset + ((firstPlane + inside.lower[0]) * height + inside.lower[1]) * rowBytes + inside.lower[2] * file.bytesPerVoxel;
    const from: Strided = { pointer: scratch, row: rowBytes, plane: planeBytes };
    const at = { ...to };
    for (let z = 0; z < depth; z += atOnce) {
      const planes = Math.min(atOnce, depth - z);
      readExactly(file, this.#bytes, scratch, (planes - 1) * planeBytes + span, start + z * planeBytes);
      copy(from, at, planes, rows, columns);
      at.pointer += planes * to.plane;
    }
  }
}

/** The voxel `at` of a dense array of `size` that begins at `pointer`. */
function strided(pointer: number, [, height, width]: Triple, at: Triple, bytesPerVoxel: number): Strided {
  const row = width * bytesPerVoxel;
  const plane = height * row;
  return { pointer: pointer + at[0] * plane + at[1] * row + at[2] * bytesPerVoxel, row, plane };
}
