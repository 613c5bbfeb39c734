/** Stands for four rows that do not agree; no int16 label. */
const MIXED: i32 = 0x10000;

/**
 * Resamples a row of int16 labels from the four rows around it: `rows` [4][width], width a multiple of 8, whose weights are w0 … w3.
 * Label x of `target` [count] is decided by columns `lower[x]` and `upper[x]` (int32), with the float64 `weights` [count][2]: the
 * label with the largest weight; in a tie that of row `nearRow` and column `near[x]` (int32) if it is one of the tied, else the
 * lowest of them. Labels are stored as int8 where `bytes` is 1, as int16 where it is 2. `common` is int32 [width] for scratch.
 */
export function resampleLabels(
  rows: usize,
  width: i32,
  common: usize,
  target: usize,
  count: i32,
  bytes: usize,
  lower: usize,
  upper: usize,
  near: usize,
  weights: usize,
  nearRow: i32,
  w0: f64,
  w1: f64,
  w2: f64,
  w3: f64,
): void {
  const row = <usize>width << 1;
  const nearest = rows + <usize>nearRow * row;
  findCommon(rows, row, common);
  for (let x = 0; x < count; x++, lower += 4, upper += 4, near += 4, weights += 16, target += bytes) {
    const low = <usize>load<i32>(lower);
    const high = <usize>load<i32>(upper);
    let label = load<i32>(common + (low << 2));
    if (label == MIXED || label != load<i32>(common + (high << 2))) {
      const own = load<i16>(nearest + (<usize>load<i32>(near) << 1));
      label = vote(own, rows + (low << 1), rows + (high << 1), row, load<f64>(weights), load<f64>(weights, 8), w0, w1, w2, w3);
    }
    if (bytes == 1) store<i8>(target, <i8>label);
    else store<i16>(target, <i16>label);
  }
}

/** What all four rows have in a column, or MIXED. Nearly everywhere they agree and there is nothing to weigh. */
function findCommon(rows: usize, row: usize, common: usize): void {
  const mixed = i32x4.splat(MIXED);
  for (const end = rows + row; rows < end; rows += 16, common += 32) {
    const labels = v128.load(rows);
    const others = v128.and(i16x8.eq(labels, v128.load(rows + row)), i16x8.eq(labels, v128.load(rows + 2 * row)));
    const agreed = v128.and(others, i16x8.eq(labels, v128.load(rows + 3 * row)));
    v128.store(common, v128.bitselect(i32x4.extend_low_i16x8_s(labels), mixed, i32x4.extend_low_i16x8_s(agreed)));
    v128.store(common, v128.bitselect(i32x4.extend_high_i16x8_s(labels), mixed, i32x4.extend_high_i16x8_s(agreed)), 16);
  }
}

/** Weights are multiplied and added in SciPy's order, the first axis first: whether two are equal depends on it. */
function vote(near: i32, low: usize, high: usize, row: usize, first: f64, second: f64, w0: f64, w1: f64, w2: f64, w3: f64): i32 {
  let winner = MIXED;
  let most: f64 = 0;
  let own: f64 = 0;
  // A bit for each of the eight neighbours whose label has not been weighed.
  for (let pending = 0xff; pending != 0; ) {
    const next = ctz(pending);
    const label = <i32>load<i16>((next & 1 ? high : low) + <usize>(next >> 1) * row);
    let sum: f64 = 0;
    let at: usize = 0;
    for (let bit = 1; bit < 0x100; bit <<= 2, at += row) {
      const weight = bit == 1 ? w0 : bit == 4 ? w1 : bit == 16 ? w2 : w3;
      if (load<i16>(low + at) == label) {
        sum += weight * first;
        pending &= ~bit;
      }
      if (load<i16>(high + at) == label) {
        sum += weight * second;
        pending &= ~(bit << 1);
      }
    }
    // No other label can have as much.
    if (sum > 0.6) return label;
    if (sum > most || (sum == most && label < winner)) winner = label;
    most = max(most, sum);
    if (label == near) own = sum;
  }
  return own == most ? near : winner;
}
