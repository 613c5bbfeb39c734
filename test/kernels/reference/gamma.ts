import { statistics } from './statistics.ts';

/** As nnU-Net writes it, in float64: of the negated image and negated again where `invert` says so. */
export function gamma(image: Float32Array, exponent: number, invert: boolean): Float64Array {
  const sign = invert ? -1 : 1;
  const turned = image.map((x) => sign * x);
  const { lowest, highest } = statistics(turned);
  const range = highest - lowest;
  return Float64Array.from(turned, (x) => sign * (((x - lowest) / Math.max(range, 1e-7)) ** exponent * range + lowest));
}
