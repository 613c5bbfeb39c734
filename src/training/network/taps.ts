import { PlansError } from '../../common/errors.ts';
import { show, type Triple } from '../../common/geometry.ts';

/** Three sizes as a WGSL vector. Along axes 0, 1, 2: x, y, z of the vector. */
export function vector(sizes: Triple): string {
  return `vec3i(${sizes.join(', ')})`;
}

/** Bits that `near` has for each axis. */
const MOST_TAPS = 10;

/**
 * Whether a tap of a kernel meets the maps, for one comparison and no index arithmetic in the inner loop: `near` has a bit for every
 * tap of an axis that does, from the corner where the kernel begins, and `needs` has the bits of one tap's place. Nothing is near
 * enough for NEVER.
 */
export function nearFunctions(kernel: Triple): string {
  if (kernel.some((size) => size > MOST_TAPS))
    throw new PlansError('the plans', `a kernel is ${show(kernel)}`, `The trainer builds kernels of up to ${MOST_TAPS} along each axis`);
  return `const NEVER = 0xffffffffu;
fn nearAlong(corner: i32, taps: i32, size: i32) -> u32 {
  let end = clamp(size - corner, 0, taps);
  return (1u << u32(end)) - (1u << u32(clamp(-corner, 0, end)));
}
fn near(corner: vec3i, taps: vec3i, size: vec3i) -> u32 {
  let along = vec3u(nearAlong(corner.x, taps.x, size.x), nearAlong(corner.y, taps.y, size.y), nearAlong(corner.z, taps.z, size.z));
  return along.x | (along.y << ${MOST_TAPS}u) | (along.z << ${2 * MOST_TAPS}u);
}
fn needs(tap: vec3i) -> u32 {
  return (1u << u32(tap.x)) | (1u << u32(tap.y + ${MOST_TAPS})) | (1u << u32(tap.z + ${2 * MOST_TAPS}));
}`;
}

/** The place (z, y, x) of an element, as a vec3i, from its index. */
export function unravel(flat: string, [, height, width]: Triple): string {
  return `vec3i(i32(${flat} / ${height * width}u), i32(${flat} / ${width}u % ${height}u), i32(${flat} % ${width}u))`;
}

/** The reverse, as a u32. */
export function ravel(at: string, [, height, width]: Triple): string {
  return `u32((${at}.x * ${height} + ${at}.y) * ${width} + ${at}.z)`;
}
