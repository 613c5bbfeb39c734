import { CaseError } from '../common/errors.ts';
import { show } from '../common/geometry.ts';
import type { ReadVolume } from './read-volumes.ts';
import type { NotedReading } from './readers.ts';

/** Two files are in the same place if no corner of the volume differs by more than this part of a voxel. */
const GEOMETRY_TOLERANCE = 0.1;

type Place = Omit<ReadVolume, 'data' | 'file'>;

/** What all files of a case must agree on: shape and spacing. Where they lie may differ, as in nnU-Net, and is noted once. */
export class SamePlace {
  readonly #image: Place;
  #farthest: { path: string; distance: number } | null = null;

  constructor({ path, shape, spacing, affine }: Place) {
    this.#image = { path, shape, spacing, affine };
  }

  /** @throws CaseError naming the file, also for where it lies if that is to be strict */
  check(other: Place, { strictGeometry }: NotedReading): void {
    const image = this.#image;
    const action = `Every channel and the label of a case must lie on one grid: resample or correct ${other.path}`;
    if (image.shape.some((size, axis) => size !== other.shape[axis])) {
      throw new CaseError(
        other.path,
        `its shape ${show(other.shape)} (z, y, x) differs from ${show(image.shape)} of ${image.path}`,
        action,
      );
    }
    // Of a label whose spacing nobody says: its image's counts, as in nnU-Net.
    if (other.unplaced) return;
    if (image.spacing.some((size, axis) => Math.abs(size - other.spacing[axis]) > 1e-3 * size)) {
      throw new CaseError(
        other.path,
        `its spacing ${show(other.spacing)} (z, y, x) differs from ${show(image.spacing)} of ${image.path}`,
        action,
      );
    }
    const distance = farthestCorner(image, other);
    if (distance <= GEOMETRY_TOLERANCE * Math.min(...image.spacing)) return;
    if (strictGeometry) throw new CaseError(other.path, `its ${elsewhere(image, distance)}`, action);
    if (!(distance <= (this.#farthest?.distance ?? -1))) this.#farthest = { path: other.path, distance };
  }

  /** Once all files are checked. */
  note({ notes }: NotedReading): void {
    if (this.#farthest === null) return;
    const { path, distance } = this.#farthest;
    notes.push(`${path}: ${elsewhere(this.#image, distance)}: used as if it did not, as in nnU-Net. Look at them laid over one another`);
  }
}

function elsewhere({ path }: Place, distance: number): string {
  return `origin or direction differs from ${path} (a corner lies ${distance.toPrecision(3)} mm away)`;
}

/** Millimetres. */
function farthestCorner({ shape: [depth, height, width], affine }: Place, other: Place): number {
  let distance = 0;
  for (let corner = 0; corner < 8; corner++) {
    const at = [corner & 1 ? width : 0, corner & 2 ? height : 0, corner & 4 ? depth : 0, 1];
    for (let row = 0; row < 3; row++) {
      const difference = at.reduce((sum, value, column) => sum + value * (affine[row][column] - other.affine[row][column]), 0);
      distance = Math.max(distance, Math.abs(difference));
    }
  }
  return distance;
}
