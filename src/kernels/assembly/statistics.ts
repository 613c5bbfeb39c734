// Results of the latest call. They belong to the instance, not to the memory: threads that share a memory do not meet here.
export let statisticsMean: f64 = 0;
export let statisticsDeviation: f64 = 0;
export let statisticsLowest: f32 = 0;
export let statisticsHighest: f32 = 0;

/** Where the square of the mean is so many times the variance, half of the digits are lost in their difference. */
const LARGE_MEAN: f64 = 1e8;

/**
 * Mean, sample standard deviation (divisor count - 1), lowest and highest of `count` float32, in one pass with sums in float64. Only
 * where the mean is more than ten thousand deviations does a second pass sum the squares of what differs from it. A single value has
 * deviation NaN; any NaN makes everything NaN.
 */
export function statistics(pointer: usize, count: usize): void {
  const none = f64x2.splat(0);
  let sumA = none;
  let sumB = none;
  let sumC = none;
  let sumD = none;
  let squareA = none;
  let squareB = none;
  let squareC = none;
  let squareD = none;
  let lowA = v128.load32_splat(pointer);
  let lowB = lowA;
  let highA = lowA;
  let highB = lowA;
  const end = pointer + (count << 2);
  let at = pointer;
  for (const stop = pointer + ((count & ~7) << 2); at < stop; at += 32) {
    const x = v128.load(at);
    const y = v128.load(at, 16);
    lowA = f32x4.pmin(lowA, x);
    lowB = f32x4.pmin(lowB, y);
    highA = f32x4.pmax(highA, x);
    highB = f32x4.pmax(highB, y);
    const a = f64x2.promote_low_f32x4(v128.load64_zero(at));
    const b = f64x2.promote_low_f32x4(v128.load64_zero(at, 8));
    const c = f64x2.promote_low_f32x4(v128.load64_zero(at, 16));
    const d = f64x2.promote_low_f32x4(v128.load64_zero(at, 24));
    sumA = f64x2.add(sumA, a);
    sumB = f64x2.add(sumB, b);
    sumC = f64x2.add(sumC, c);
    sumD = f64x2.add(sumD, d);
    squareA = f64x2.add(squareA, f64x2.mul(a, a));
    squareB = f64x2.add(squareB, f64x2.mul(b, b));
    squareC = f64x2.add(squareC, f64x2.mul(c, c));
    squareD = f64x2.add(squareD, f64x2.mul(d, d));
  }
  let sum = total(f64x2.add(f64x2.add(sumA, sumB), f64x2.add(sumC, sumD)));
  let square = total(f64x2.add(f64x2.add(squareA, squareB), f64x2.add(squareC, squareD)));
  const lows = f32x4.pmin(lowA, lowB);
  const highs = f32x4.pmax(highA, highB);
  let low = min(min(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1)), min(f32x4.extract_lane(lows, 2), f32x4.extract_lane(lows, 3)));
  let high = max(
    max(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)),
    max(f32x4.extract_lane(highs, 2), f32x4.extract_lane(highs, 3)),
  );
  for (; at < end; at += 4) {
    const x = load<f32>(at);
    sum += <f64>x;
    square += <f64>x * <f64>x;
    low = min(low, x);
    high = max(high, x);
  }

  // The vector comparisons pass over NaN; the sum does not.
  statisticsLowest = isNaN(sum) ? <f32>NaN : low;
  statisticsHighest = isNaN(sum) ? <f32>NaN : high;
  const constant = low == high && !isNaN(sum);
  const mean = constant ? <f64>low : sum / <f64>count;
  let squares = square - mean * sum;
  if (mean * mean * <f64>count > LARGE_MEAN * squares) squares = constant ? 0 : differences(pointer, end, mean);
  statisticsMean = mean;
  statisticsDeviation = Math.sqrt(squares / <f64>(count - 1));
}

// @ts-ignore: a decorator of the compiler
@inline
function total(sums: v128): f64 {
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

/** The sum of the squares of what differs from the mean. */
function differences(pointer: usize, end: usize, mean: f64): f64 {
  let sum: f64 = 0;
  for (; pointer < end; pointer += 4) {
    const difference = <f64>load<f32>(pointer) - mean;
    sum += difference * difference;
  }
  return sum;
}
