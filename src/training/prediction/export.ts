import { boxShape, type Triple, transpose, voxels } from '../../common/geometry.ts';
import { type ImageResampling, resampleImage, separateAxis } from '../../preprocessing/resampling/resample-image.ts';
import { type LineTaps, tapsOf, within } from '../../preprocessing/resampling/taps.ts';
import { transposeVolume } from '../../preprocessing/transpose.ts';
import type { CroppedCase } from '../../raw/read-case.ts';

/** How a case lay before it was resampled, all in the order of the plans. */
export interface Origin {
  spacing: Triple;
  shapeBeforeCrop: Triple;
  cropBox: CroppedCase['cropBox'];
  /** The plans' order of axes. */
  transpose: Triple;
}

/** The labels of one plane from its logits [y, x], one array an output. */
export type Decide = (logits: readonly Float32Array[], labels: Int16Array) => void;

/** The class with the largest logit; of equal ones the first. */
export const largest: Decide = (logits, labels) => {
  labels.fill(0);
  const most = logits[0].slice();
  for (const [label, map] of logits.entries())
    for (let i = 0; i < labels.length; i++)
      if (map[i] > most[i]) {
        most[i] = map[i];
        labels[i] = label;
      }
};

/**
 * Of regions: the label of the last one that holds a voxel, whose probability is above one half (nnU-Net's `regions_class_order`).
 * @param order the label of each output
 */
export function lastRegion(order: readonly number[]): Decide {
  return (logits, labels) => {
    labels.fill(0);
    // A logit of 0 is a probability of one half.
    for (const [region, map] of logits.entries()) for (let i = 0; i < labels.length; i++) if (map[i] > 0) labels[i] = order[region];
  };
}

/**
 * Labels in the raw image's grid from logits in the plans' grid, plane by plane: resampled (linear, as nnU-Net resamples what networks
 * give), decided, put back where the case was cropped, axes put back in order. It holds the logits of two planes, and all labels.
 */
export class LabelVolume {
  readonly #shape: Triple;
  readonly #cropped: Triple;
  readonly #origin: Origin;
  readonly #decide: Decide;
  readonly #inPlane: ImageResampling;
  /** Of each plane to come, from which planes it is made. */
  readonly #taps: LineTaps;
  readonly #whole: Int16Array;
  /** The last two planes, resampled within themselves; the later one last. */
  #held: Float32Array[][] = [];
  /** Planes that were added, and planes that were decided. */
  #added = 0;
  #decided = 0;

  /** @param shape of the logits @param spacing of the logits */
  constructor(shape: Triple, spacing: Triple, origin: Origin, decide: Decide = largest) {
    const separate = separateAxis(spacing, origin.spacing);
    this.#shape = shape;
    this.#cropped = boxShape(origin.cropBox);
    this.#origin = origin;
    this.#decide = decide;
    this.#inPlane = { order: 1, orderZ: 0, separate: separate === 0 ? null : separate };
    this.#taps = tapsOf(separate === 0 ? 0 : 1, shape[0], this.#cropped[0]);
    this.#whole = new Int16Array(voxels(origin.shapeBeforeCrop));
  }

  /** Adds the next plane: one array [y, x] a class. */
  add(plane: readonly Float32Array[]): void {
    const [, height, width] = this.#cropped;
    const flat: Triple = [1, this.#shape[1], this.#shape[2]];
    const resampled = plane.map((map) => resampleImage(map, flat, [1, height, width], this.#inPlane));
    this.#held = [...this.#held.slice(-1), resampled];
    this.#added++;
    const labels = new Int16Array(height * width);
    while (this.#decided < this.#cropped[0] && this.#sources(this.#decided).last < this.#added) {
      this.#decide(this.#between(this.#sources(this.#decided)), labels);
      this.#place(labels, this.#decided++);
    }
  }

  /** The labels [z, y, x] of the raw image, after the last plane. */
  labels(): Int16Array {
    return transposeVolume(this.#whole, this.#origin.shapeBeforeCrop, backward(this.#origin.transpose));
  }

  /** Which two planes a plane to come lies between, and the part of the second. */
  #sources(plane: number): { first: number; last: number; part: number } {
    const [planes] = this.#shape;
    const part = this.#taps.weights[4 * plane + 2];
    const first = within(this.#taps.lower[plane], planes);
    return { first, last: part === 0 ? first : within(this.#taps.lower[plane] + 1, planes), part };
  }

  #between({ first, last, part }: { first: number; last: number; part: number }): readonly Float32Array[] {
    const held = (plane: number): Float32Array[] => this.#held.at(plane - this.#added) as Float32Array[];
    const to = held(last);
    if (first === last) return to;
    return held(first).map((from, c) => from.map((value, i) => value * (1 - part) + to[c][i] * part));
  }

  #place(labels: Int16Array, plane: number): void {
    const { shapeBeforeCrop, cropBox } = this.#origin;
    const [, height, width] = shapeBeforeCrop;
    const { lower } = cropBox;
    const [, rows, length] = this.#cropped;
    for (let y = 0; y < rows; y++)
      this.#whole.set(labels.subarray(y * length, (y + 1) * length), ((lower[0] + plane) * height + lower[1] + y) * width + lower[2]);
  }
}

/** The order of axes that undoes another. */
export function backward(forward: Triple): Triple {
  return transpose([0, 1, 2], [forward.indexOf(0), forward.indexOf(1), forward.indexOf(2)] as Triple);
}
