/** Interpolation by the nearest sample, linearly, or by a cubic B-spline through the samples. */
export type Order = 0 | 1 | 3;

/** Which old samples each new one of a resized line is made of. */
export interface LineTaps {
  /** The old sample at or before each new one, from -1 on: the line goes on beyond its ends like the sample there. */
  lower: Int32Array;
  /** Of four old samples, the second of which is the lower one, for each new sample: [to][4]. */
  weights: Float64Array;
}

/**
 * For a line of `from` samples that is resized to `to`: the new ones lie as in `to` equal parts of the line, which ends half a sample
 * beyond the first and last old one. Weights of order 3 are for the coefficients of the spline.
 */
export function tapsOf(order: Order, from: number, to: number): LineTaps {
  const lower = new Int32Array(to);
  const weights = new Float64Array(4 * to);
  for (let i = 0; i < to; i++) {
    // In SciPy's order of operations: which of two labels has half of the weights can depend on the last bit.
    const at = (i + 0.5) * (from / to) - 0.5;
    lower[i] = order === 0 ? within(Math.floor(at + 0.5), from) : Math.floor(at);
    weights.set(order === 0 ? [0, 1, 0, 0] : order === 1 ? linear(at - lower[i]) : spline(at - lower[i]), 4 * i);
  }
  return { lower, weights };
}

/** The nearest sample of a line of `from`. */
export function within(sample: number, from: number): number {
  return Math.min(Math.max(sample, 0), from - 1);
}

/** Weights at `x`, 0 to 1, of the way from the second sample to the third. */
function linear(x: number): number[] {
  return [0, 1 - x, 1 - (1 - x), 0];
}

/** The cubic B-splines around four samples at `x` of the way from the second to the third. */
function spline(x: number): number[] {
  const middle = (distance: number): number => (4 - 3 * distance ** 2 * (2 - distance)) / 6;
  return [(1 - x) ** 3 / 6, middle(x), middle(1 - x), x ** 3 / 6];
}
