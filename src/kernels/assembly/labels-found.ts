/** What a kernel that writes labels tells about them: bits of its result. */
export const FOREGROUND: i32 = 1;
export const OUTSIDE: i32 = 2;

/** The bits for the highest and lowest labels seen, in lanes and one by one. */
// @ts-ignore: a decorator of the compiler
@inline
export function found(highest: v128, lowest: v128, high: i32, low: i32): i32 {
  const zero = i16x8.splat(0);
  const foreground = v128.any_true(i16x8.gt_s(highest, zero)) || high > 0;
  const outside = v128.any_true(i16x8.lt_s(lowest, zero)) || low < 0;
  return (foreground ? FOREGROUND : 0) | (outside ? OUTSIDE : 0);
}
