/** In float32 after each operation. `Math.min` and `Math.max` keep NaN. */
export function linear(image: Float32Array, factor: number, offset: number, lower: number, upper: number): Float32Array {
  const [a, b, low, high] = Float32Array.of(factor, offset, lower, upper);
  return image.map((x) => Math.min(Math.max(Math.fround(a * x) + b, low), high));
}
