import type { Triple } from '../../common/geometry.ts';
import type { Fold } from './fold.ts';

const { floor, fround } = Math;

/**
 * Two weights this close count as equal, and a place this close to the middle between two voxels as there. Coordinates are off by some
 * 1e-13 voxels at most (quarter turns, scales that are no binary fractions), and no drawn angle comes as near to a tie.
 */
export const TOLERANCE = 1e-9;

/** The voxels around one place of a source and their weights in linear interpolation: those inside the source, in memory order. */
export class Corners {
  /** In voxels from the start of the source. */
  readonly index = new Int32Array(8);
  readonly weight = new Float64Array(8);
  /** How many of the two arrays count. */
  count = 0;
  /** How many there are where none is outside. */
  readonly all: number;
  readonly #source: Triple;
  readonly #single: boolean;
  readonly #fold: Fold;
  readonly #place = [new Int32Array(2), new Int32Array(2), new Int32Array(2)];
  readonly #part = [new Float64Array(2), new Float64Array(2), new Float64Array(2)];

  /** @param single whether weights are rounded to float32, in the order in which torch multiplies them. */
  constructor(source: Triple, planar: boolean, single: boolean, fold: Fold) {
    this.all = planar ? 4 : 8;
    this.#source = source;
    this.#single = single;
    this.#fold = fold;
  }

  find(z: number, y: number, x: number): void {
    this.count = 0;
    this.#split(2, x);
    this.#split(1, y);
    if (this.all === 4) {
      this.#add(z, 1);
      return;
    }
    this.#split(0, z);
    const [near, far] = this.#place[0];
    if (near >= 0 && near < this.#source[0]) this.#add(near, this.#part[0][0]);
    if (far >= 0 && far < this.#source[0]) this.#add(far, this.#part[0][1]);
  }

  #split(axis: number, place: number): void {
    const at = this.#fold ? this.#fold(place, this.#source[axis]) : place;
    const near = floor(at);
    const part = this.#single ? fround(at - near) : at - near;
    this.#place[axis][0] = near;
    this.#place[axis][1] = near + 1;
    this.#part[axis][0] = this.#single ? fround(1 - part) : 1 - part;
    this.#part[axis][1] = part;
  }

  #add(plane: number, planeWeight: number): void {
    const [, rows, columns] = this.#source;
    for (let i = 0; i < 2; i++) {
      const row = this.#place[1][i];
      if (row < 0 || row >= rows) continue;
      const start = (plane * rows + row) * columns;
      for (let j = 0; j < 2; j++) {
        const column = this.#place[2][j];
        if (column < 0 || column >= columns) continue;
        const weight = this.#part[2][j] * this.#part[1][i];
        this.index[this.count] = start + column;
        this.weight[this.count++] = this.#single ? fround(fround(weight) * planeWeight) : weight * planeWeight;
      }
    }
  }
}

/** The index of the voxel nearest to a place, halves to the even neighbour; -1 where that is outside the source. */
export function nearest(source: Triple, fold: Fold, planar: boolean, z: number, y: number, x: number): number {
  const [planes, rows, columns] = source;
  const plane = planar ? z : roundToEven(fold ? fold(z, planes) : z);
  const row = roundToEven(fold ? fold(y, rows) : y);
  const column = roundToEven(fold ? fold(x, columns) : x);
  const inside = plane >= 0 && plane < planes && row >= 0 && row < rows && column >= 0 && column < columns;
  return inside ? (plane * rows + row) * columns + column : -1;
}

function roundToEven(value: number): number {
  const up = floor(value + 0.5 + TOLERANCE);
  return floor(value + 0.5 - TOLERANCE) === up || up % 2 === 0 ? up : up - 1;
}
