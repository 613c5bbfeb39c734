import { AXES, type Axis, type Box, boxShape, intersect, type Triple, triple, voxels } from '../common/geometry.ts';
import { bindKernels, type Kernels, type SharedMemory } from '../kernels/kernels.ts';
import { FOUND } from '../kernels/spatial.ts';
import { type Strided, strided } from '../kernels/strided.ts';
import { type BoxReader, type Source, voxelsOf, type Wanted } from './boxes.ts';
import type { OpenCase } from './open-files.ts';
import { extendEdges, type PadMode } from './pad.ts';
import type { ResidentCase } from './resident-cases.ts';

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

/** float32 images, int16 targets. */
const IMAGE_BYTES = 4;
const TARGET_BYTES = 2;
/** The byte that makes -1 (outside) of an integer. */
const ALL_ONES = 255;

/**
 * Crops boxes out of stored volumes into shared memory. Voxels outside the volume are 0 in the image (the mean, after normalisation) and
 * -1 in the target.
 */
export class PatchReader {
  readonly #kernels: Kernels;
  readonly #buffer: SharedArrayBuffer;
  readonly #boxes: BoxReader;
  readonly #channels: number;
  readonly #padMode: PadMode;

  constructor(memory: SharedMemory, boxes: BoxReader, channels: number, padMode: PadMode = 'constant') {
    this.#kernels = bindKernels(memory);
    this.#buffer = memory.buffer;
    this.#boxes = boxes;
    this.#channels = channels;
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

  #copyImage(source: Source, shape: Triple, size: Triple, inside: Box, within: Box, place: PatchPlace, mirrored: readonly number[]): void {
    const count = voxels(size);
    const wanted: Wanted = { channels: [0, this.#channels], shape, box: inside };
    this.#boxes.read(source, wanted, place.scratch, (channel, from, at, part) =>
      this.#kernels.copyImage(
        turned(from, part, mirrored),
        strided(place.data + channel * count * IMAGE_BYTES, size, placeOf(within, at, part, mirrored), IMAGE_BYTES),
        ...part,
        voxelsOf(source, channel),
        mirrored.includes(2),
      ),
    );
    if (this.#padMode === 'constant') return;
    for (let channel = 0; channel < this.#channels; channel++)
      extendEdges(new Float32Array(this.#buffer, place.data + channel * count * IMAGE_BYTES, count), size, within, this.#padMode);
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
    this.#boxes.read(source, { channels: [0, 1], shape, box: inside }, scratch, (_, from, at, part) => {
      const to = strided(target, size, placeOf(within, at, part, mirrored), TARGET_BYTES);
      found |= this.#kernels.copyLabels(turned(from, part, mirrored), to, ...part, source, mirrored.includes(2));
    });
    return found;
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

/**
 * The same box of `planes` and `rows`, last plane or row first where its axis is mirrored: it is read backwards, as a processor gets memory for
 * what is written in order long before it is written. The kernels turn rows themselves.
 */
function turned({ pointer, row, plane }: Strided, [planes, rows]: Triple, mirrored: readonly number[]): Strided {
  const [z, y] = [mirrored.includes(0), mirrored.includes(1)];
  return { pointer: pointer + (z ? (planes - 1) * plane : 0) + (y ? (rows - 1) * row : 0), row: y ? -row : row, plane: z ? -plane : plane };
}

/** Where the part `at` of so many voxels goes in a patch, of which the box `within` is filled: from its other end where an axis is mirrored. */
function placeOf({ lower, upper }: Box, at: Triple, part: Triple, mirrored: readonly number[]): Triple {
  return triple((axis) => (mirrored.includes(axis) ? upper[axis] - at[axis] - part[axis] : lower[axis] + at[axis]));
}
