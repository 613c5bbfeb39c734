/**
 * The sample that torch's "nearest-exact" takes for number `i` of `count` out of `from`: floor((i + 1/2) from / count), in float32 as
 * torch reckons, which decides where that is just about a whole number.
 */
export function nearestExact(i: number, count: number, from: number): number {
  return Math.min(Math.floor(Math.fround((i + 0.5) * Math.fround(from / count))), from - 1);
}
