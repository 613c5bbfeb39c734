import { AXES, type Axis, type Box, boxShape, intersect, type Triple, triple, voxels } from '../common/geometry.ts';
import { bindKernels, type Kernels, type SharedMemory } from '../kernels/kernels.ts';
import { FOUND } from '../kernels/spatial.ts';
import type { Strided } from '../kernels/strided.ts';
import { type OpenArray, type OpenCase, readExactly } from './open-files.ts';
import { extendEdges, type PadMode } from './pad.ts';
import type { ResidentArray, ResidentCase } from './resident-cases.ts';

/** Where a patch goes in the shared memory, in bytes from its start. */
export interface PatchPlace {
  /** float32 [C, z, y, x]. */
  data: number;
  /** int16 [z, y, x]. */
  target: number;
  /** In a cascade, for the labels of the previous stage: the same. */
  previous?: number | undefined;
  /** A region for the slabs that are read, see `slabBytes`. */
  scratch: number;
}

/** Where voxels come from: a file, or memory. */
export type Source = OpenArray | ResidentArray;

/** Gets each slab as it lies in its source, its place in the patch, and its planes, rows and columns. */
type Copy = (from: Strided, to: Strided, planes: number, rows: number, columns: number) => void;

/** float32 images, int16 targets. */
const IMAGE_BYTES = 4;
const TARGET_BYTES = 2;
/** The byte that makes -1 (outside) of an integer. */
const ALL_ONES = 255;
/** Reading this much that nobody needs costs as much as another system call. */
const WORTHWHILE_GAP = 16 * 1024;
/** Slabs up to this size are read at once: they stay in a core's second-level cache until they are cropped. */
const SLAB_BYTES = 256 * 1024;

/** The scratch that reading boxes of `patch` out of volumes of `shapes` takes, in bytes. */
export function slabBytes(patch: Triple, shapes: readonly Triple[]): number {
  const plane = Math.max(
    ...shapes.map(([, height, width]) =>
      planeSpan(Math.min(patch[1], height), Math.min(patch[2], width), width * IMAGE_BYTES, IMAGE_BYTES),
    ),
  );
  return Math.max(plane, SLAB_BYTES);
}

/** From the first needed byte of a plane to the last. */
function planeSpan(rows: number, count: number, rowBytes: number, bytesPerVoxel: number): number {
  return (rows - 1) * rowBytes + count * bytesPerVoxel;
}

/**
 * Crops boxes out of stored volumes into shared memory. From a file, a slab of whole rows at a time is read into the scratch and
 * cropped from there; a resident case is cropped where it lies. Voxels outside the volume are 0 in the image (the mean, after normalisation) and -1 in the target.
 */
export class PatchReader {
  readonly #kernels: Kernels;
  readonly #bytes: Uint8Array;
  readonly #channels: number;
  readonly #scratchBytes: number;
  readonly #padMode: PadMode;

  constructor(memory: SharedMemory, channels: number, scratchBytes: number, padMode: PadMode = 'constant') {
    this.#kernels = bindKernels(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#channels = channels;
    this.#scratchBytes = scratchBytes;
    this.#padMode = padMode;
  }

  /**
   * Writes one patch and its target, mirrored along the given axes: that costs nothing here. Returns what is among the labels, bits
   * of FOUND.
   */
  read(source: OpenCase | ResidentCase, shape: Triple, box: Box, place: PatchPlace, mirrored: readonly number[] = []): number {
    const size = boxShape(box);
    const inside = intersect(box, shape);
    if (inside === null) {
      // nnU-Net's crop returns zeros for a box outside, for labels too; planned boxes always touch their volume.
      this.#fillAround(size, null, place, 0);
      return 0;
    }
    const within: Box = {
      lower: triple((axis) => (mirrored.includes(axis) ? box.upper[axis] - inside.upper[axis] : inside.lower[axis] - box.lower[axis])),
      upper: triple((axis) => (mirrored.includes(axis) ? box.upper[axis] - inside.lower[axis] : inside.upper[axis] - box.lower[axis])),
    };
    const outside = this.#fillAround(size, within, place, ALL_ONES) ? FOUND.outside : 0;
    this.#copyImage(source.data, shape, size, inside, within, place, mirrored);
    const found = outside | this.#copyTarget(source.segmentation, shape, size, inside, within, place.target, place.scratch, mirrored);
    if (!source.previous || place.previous === undefined) return found;
    // What is foreground is decided by the target alone.
    const before = this.#copyTarget(source.previous, shape, size, inside, within, place.previous, place.scratch, mirrored);
    return found | (before & FOUND.outside);
  }

  /**
   * Finds the voxels of `box`, which lies inside the volume, in memory: from a file they are read into `dense` first.
   * @param channel of an image; 0 for labels
   */
  locate(source: Source, channel: number, shape: Triple, box: Box, dense: number, scratch: number): Strided {
    const { bytesPerVoxel } = source;
    if ('pointer' in source)
      return strided(source.pointer, shape, [channel * shape[0] + box.lower[0], box.lower[1], box.lower[2]], bytesPerVoxel);
    const to = strided(dense, boxShape(box), [0, 0, 0], bytesPerVoxel);
    const copy: Copy = (from, at, planes, rows, columns) => this.#kernels.copyBox(from, at, planes, rows, columns * bytesPerVoxel);
    this.#readSlabs(source, channel * shape[0], shape, box, to, scratch, copy);
    return to;
  }

  #copyImage(source: Source, shape: Triple, size: Triple, inside: Box, within: Box, place: PatchPlace, mirrored: readonly number[]): void {
    const count = voxels(size);
    const kernels = this.#kernels;
    const copy: Copy = mirrored.includes(2)
      ? (...slab) => kernels.mirrorBox(...slab)
      : (from, to, planes, rows, columns) => kernels.copyBox(from, to, planes, rows, columns * IMAGE_BYTES);
    for (let channel = 0; channel < this.#channels; channel++) {
      const pointer = place.data + channel * count * IMAGE_BYTES;
      const to = turned(strided(pointer, size, within.lower, IMAGE_BYTES), boxShape(within), mirrored);
      this.#eachSlab(source, channel * shape[0], shape, inside, to, place.scratch, copy);
      if (this.#padMode !== 'constant') extendEdges(new Float32Array(this.#bytes.buffer, pointer, count), size, within, this.#padMode);
    }
  }

  #copyTarget(
    source: Source,
    shape: Triple,
    size: Triple,
    inside: Box,
    within: Box,
    target: number,
    scratch: number,
    mirrored: readonly number[],
  ): number {
    let found = 0;
    const copy: Copy = (...slab) => {
      found |= this.#kernels.copyLabels(...slab, source.bytesPerVoxel, mirrored.includes(2));
    };
    const to = turned(strided(target, size, within.lower, TARGET_BYTES), boxShape(within), mirrored);
    this.#eachSlab(source, 0, shape, inside, to, scratch, copy);
    return found;
  }

  /** From memory in one go; from a file slab by slab, through the scratch. */
  #eachSlab(source: Source, firstPlane: number, shape: Triple, inside: Box, to: Strided, scratch: number, copy: Copy): void {
    if (!('pointer' in source)) {
      this.#readSlabs(source, firstPlane, shape, inside, to, scratch, copy);
      return;
    }
    const [z, y, x] = inside.lower;
    const [planes, rows, columns] = boxShape(inside);
    copy(strided(source.pointer, shape, [firstPlane + z, y, x], source.bytesPerVoxel), to, planes, rows, columns);
  }

  /**
   * Writes what stands outside `within` in the patch: 0 in every channel, `labelByte` in every byte of the target. Returns whether
   * there is anything outside.
   */
  #fillAround(size: Triple, within: Box | null, { data, target, previous }: PatchPlace, labelByte: number): boolean {
    const boxes = around(size, within);
    const maps = previous === undefined ? [target] : [target, previous];
    for (const { lower, upper } of boxes) {
      const [planes, rows, columns] = boxShape({ lower, upper });
      for (let channel = 0; channel < this.#channels; channel++) {
        const pointer = data + channel * voxels(size) * IMAGE_BYTES;
        this.#kernels.fillBox(strided(pointer, size, lower, IMAGE_BYTES), planes, rows, columns * IMAGE_BYTES, 0);
      }
      for (const map of maps)
        this.#kernels.fillBox(strided(map, size, lower, TARGET_BYTES), planes, rows, columns * TARGET_BYTES, labelByte);
    }
    return boxes.length > 0;
  }

  #readSlabs(file: OpenArray, firstPlane: number, [, height, width]: Triple, inside: Box, to: Strided, scratch: number, copy: Copy): void {
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

/** The boxes that fill up a patch of `size` around `within`; the whole patch around nothing. */
function around(size: Triple, within: Box | null): Box[] {
  const rest: Box = { lower: [0, 0, 0], upper: [...size] };
  if (within === null) return [rest];
  const boxes: Box[] = [];
  // One axis after the other: what is left after each is the part that the next ones still have to cut.
  for (const axis of AXES) {
    if (within.lower[axis] > 0) boxes.push({ lower: [...rest.lower], upper: withAxis(rest.upper, axis, within.lower[axis]) });
    if (within.upper[axis] < size[axis]) boxes.push({ lower: withAxis(rest.lower, axis, within.upper[axis]), upper: [...rest.upper] });
    rest.lower[axis] = within.lower[axis];
    rest.upper[axis] = within.upper[axis];
  }
  return boxes;
}

function withAxis(corner: Triple, axis: Axis, value: number): Triple {
  const moved: Triple = [...corner];
  moved[axis] = value;
  return moved;
}

/** The same box of `planes` and `rows`, last plane or row first where its axis is mirrored. */
function turned({ pointer, row, plane }: Strided, [planes, rows]: Triple, mirrored: readonly number[]): Strided {
  const [z, y] = [mirrored.includes(0), mirrored.includes(1)];
  return { pointer: pointer + (z ? (planes - 1) * plane : 0) + (y ? (rows - 1) * row : 0), row: y ? -row : row, plane: z ? -plane : plane };
}

/** The voxel `at` of a dense array of `size` that begins at `pointer`. */
function strided(pointer: number, [, height, width]: Triple, at: Triple, bytesPerVoxel: number): Strided {
  const row = width * bytesPerVoxel;
  const plane = height * row;
  return { pointer: pointer + at[0] * plane + at[1] * row + at[2] * bytesPerVoxel, row, plane };
}
