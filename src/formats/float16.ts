/** From here on, the nearest float16 is infinity; the largest is 65504. */
const TOO_LARGE = 65520;

/**
 * The nearest float16 of each, of two that are equally near the even one: off by 2^-11 of a number from 6.1e-5 on, by 3e-8 at most
 * below.
 * @throws RangeError for a number that float16 does not reach
 */
export function toFloat16(values: Float32Array): Float16Array {
  for (let i = 0; i < values.length; i++)
    if (Math.abs(values[i]) >= TOO_LARGE && Number.isFinite(values[i]))
      throw new RangeError(`it holds ${values[i]}, float16 ends at 65504`);
  return new Float16Array(values);
}
