import { type Triple, voxels } from '../../../../common/geometry.ts';
import { countWords, SlidingMedian } from './sliding-median.ts';
import { sortRanks } from './sort-ranks.ts';

/** A part of an image with what its windows reach around it, and the medians of those windows. */
export class MedianTile {
  readonly #window: Triple;
  readonly #image: Float32Array;
  readonly #ranks: Uint32Array;
  readonly #values: Uint32Array;
  readonly #counts: Uint16Array;
  #strides = { plane: 0, row: 0 };
  #ranked = 0;
  #sliding: SlidingMedian;

  /** Bytes for tiles of up to `shape`, the windows' reach included. */
  static bytes(shape: Triple): number {
    return voxels(shape) * 12 + countWords(voxels(shape)) * 2;
  }

  constructor(shape: Triple, window: Triple, buffer: SharedArrayBuffer, pointer: number) {
    const count = voxels(shape);
    this.#window = window;
    this.#image = new Float32Array(buffer, pointer, count);
    this.#ranks = new Uint32Array(buffer, pointer + count * 4, count);
    this.#values = new Uint32Array(buffer, pointer + count * 8, count);
    this.#counts = new Uint16Array(buffer, pointer + count * 12, countWords(count));
    this.#sliding = new SlidingMedian(this.#counts, count);
  }

  /** Takes in the voxels whose offsets in `image` are the sums of one number of each axis. */
  read(image: Float32Array, planes: Int32Array, rows: Int32Array, columns: Int32Array): void {
    let at = 0;
    for (const plane of planes) {
      for (const row of rows) {
        for (let x = 0; x < columns.length; x++) this.#image[at++] = image[plane + row + columns[x]];
      }
    }
    this.#strides = { plane: rows.length * columns.length, row: columns.length };
    this.#ranked = sortRanks(this.#image.subarray(0, at), this.#ranks, this.#values);
    this.#sliding = new SlidingMedian(this.#counts, this.#ranked);
  }

  /** Writes the medians of the windows whose lowest row is row `y` of plane `z`. */
  filterRow(z: number, y: number, target: Float32Array): void {
    const [depth, height, width] = this.#window;
    const { plane, row } = this.#strides;
    const start = z * plane + y * row;
    const ranks = this.#ranks;
    const sliding = this.#sliding;
    const values = new Float32Array(this.#values.buffer, this.#values.byteOffset, this.#ranked);
    const middle = Math.floor((depth * height * width) / 2);
    for (let i = 0; i < depth; i++)
      for (let j = 0; j < height; j++) for (let k = 0; k < width - 1; k++) sliding.add(ranks[start + i * plane + j * row + k]);
    for (let x = 0; x < target.length; x++) {
      for (let i = 0; i < depth; i++) {
        let at = start + i * plane + x + width - 1;
        for (let j = 0; j < height; j++, at += row) sliding.add(ranks[at]);
      }
      target[x] = values[sliding.at(middle)];
      for (let i = 0; i < depth; i++) {
        let at = start + i * plane + x;
        for (let j = 0; j < height; j++, at += row) sliding.remove(ranks[at]);
      }
    }
    for (let i = 0; i < depth; i++)
      for (let j = 0; j < height; j++)
        for (let k = 0; k < width - 1; k++) sliding.remove(ranks[start + i * plane + j * row + target.length + k]);
  }
}
