/** The first one to three of four float32, where an array ends; the others are 0. */
// @ts-ignore: a decorator of the compiler
@inline
export function loadPart(pointer: usize, lanes: usize): v128 {
  let vector = v128.load32_zero(pointer);
  if (lanes > 1) vector = v128.load32_lane(pointer + 4, vector, 1);
  if (lanes > 2) vector = v128.load32_lane(pointer + 8, vector, 2);
  return vector;
}

/** Stores the first one to three of four float32. */
// @ts-ignore: a decorator of the compiler
@inline
export function storePart(pointer: usize, vector: v128, lanes: usize): void {
  v128.store32_lane(pointer, vector, 0);
  if (lanes > 1) v128.store32_lane(pointer + 4, vector, 1);
  if (lanes > 2) v128.store32_lane(pointer + 8, vector, 2);
}
