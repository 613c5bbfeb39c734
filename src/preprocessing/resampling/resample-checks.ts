import { show, type Triple } from '../../common/geometry.ts';

/** @throws RangeError for an order that is not among `supported`. */
export function checkOrder(order: number, what: string, supported: readonly number[] = [0, 1, 3]): void {
  if (!supported.includes(order)) throw new RangeError(`the ${what} is ${order}: only ${supported.join(', ')} are supported`);
}

/** @throws RangeError for a shape without voxels, which a spacing that is much too large leads to. */
export function checkTarget(shape: Triple): void {
  if (!shape.every((size) => size >= 1)) throw new RangeError(`nothing is left of a volume that is resampled to ${show(shape)} voxels`);
}
