// Results of the latest call. They belong to the instance, not to the memory: threads that share a memory do not meet here.
export let statisticsMean: f64 = 0;
export let statisticsDeviation: f64 = 0;
export let statisticsLowest: f32 = 0;
export let statisticsHighest: f32 = 0;

/**
 * Mean, sample standard deviation (divisor count - 1), lowest and highest of `count` float32, in one pass. Sums are of differences
 * from the first value, in float64, so that neither a large mean nor many values cost digits. A single value has deviation NaN;
 * any NaN makes everything NaN.
 */
export function statistics(pointer: usize, count: usize): void {
  const first = load<f32>(pointer);
  const shift = f64x2.splat(<f64>first);
  const none = f64x2.splat(0);
  let sumA = none;
  let sumB = none;
  let sumC = none;
  let sumD = none;
  let squareA = none;
  let squareB = none;
  let squareC = none;
  let squareD = none;
  let lowA = f32x4.splat(first);
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
    const a = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at)), shift);
    const b = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at, 8)), shift);
    const c = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at, 16)), shift);
    const d = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at, 24)), shift);
    sumA = f64x2.add(sumA, a);
    sumB = f64x2.add(sumB, b);
    sumC = f64x2.add(sumC, c);
    sumD = f64x2.add(sumD, d);
    squareA = f64x2.add(squareA, f64x2.mul(a, a));
    squareB = f64x2.add(squareB, f64x2.mul(b, b));
    squareC = f64x2.add(squareC, f64x2.mul(c, c));
    squareD = f64x2.add(squareD, f64x2.mul(d, d));
  }
  const sums = f64x2.add(f64x2.add(sumA, sumB), f64x2.add(sumC, sumD));
  const squares = f64x2.add(f64x2.add(squareA, squareB), f64x2.add(squareC, squareD));
  const lows = f32x4.pmin(lowA, lowB);
  const highs = f32x4.pmax(highA, highB);
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  let square = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1);
  let low = min(min(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1)), min(f32x4.extract_lane(lows, 2), f32x4.extract_lane(lows, 3)));
  let high = max(
    max(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)),
    max(f32x4.extract_lane(highs, 2), f32x4.extract_lane(highs, 3)),
  );
  for (; at < end; at += 4) {
    const x = load<f32>(at);
    const difference = <f64>x - <f64>first;
    sum += difference;
    square += difference * difference;
    low = min(low, x);
    high = max(high, x);
  }

  const n = <f64>count;
  const variance = (square - (sum * sum) / n) / (n - 1);
  statisticsMean = <f64>first + sum / n;
  // Rounding may leave less than nothing of a variance that is 0.
  statisticsDeviation = variance < 0 ? 0 : Math.sqrt(variance);
  // The vector comparisons pass over NaN; the sum does not.
  statisticsLowest = isNaN(sum) ? <f32>NaN : low;
  statisticsHighest = isNaN(sum) ? <f32>NaN : high;
}
