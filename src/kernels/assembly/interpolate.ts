import { FAR_X, FAR_Y, FAR_Z } from './tile';

/**
 * Linear interpolation of four voxels whose places `placeRow` wrote at `at`, out of a float32 box whose rows and planes are that many
 * bytes apart; with `plane` 0 nothing lies between two planes.
 */
// @ts-ignore: a decorator of the compiler
@inline
export function four(at: usize, box: usize, row: usize, plane: usize): v128 {
  const a = box + (<usize>load<i32>(at) << 2);
  const b = box + (<usize>load<i32>(at, 4) << 2);
  const c = box + (<usize>load<i32>(at, 8) << 2);
  const d = box + (<usize>load<i32>(at, 12) << 2);
  let quadA = neighbours(a, row);
  let quadB = neighbours(b, row);
  let quadC = neighbours(c, row);
  let quadD = neighbours(d, row);
  if (plane != 0) {
    const farZ = v128.load(at, FAR_Z);
    quadA = lerp(quadA, neighbours(a + plane, row), v128.shuffle<f32>(farZ, farZ, 0, 0, 0, 0));
    quadB = lerp(quadB, neighbours(b + plane, row), v128.shuffle<f32>(farZ, farZ, 1, 1, 1, 1));
    quadC = lerp(quadC, neighbours(c + plane, row), v128.shuffle<f32>(farZ, farZ, 2, 2, 2, 2));
    quadD = lerp(quadD, neighbours(d + plane, row), v128.shuffle<f32>(farZ, farZ, 3, 3, 3, 3));
  }
  const nearAB = v128.shuffle<f32>(quadA, quadB, 0, 4, 1, 5);
  const nearCD = v128.shuffle<f32>(quadC, quadD, 0, 4, 1, 5);
  const farAB = v128.shuffle<f32>(quadA, quadB, 2, 6, 3, 7);
  const farCD = v128.shuffle<f32>(quadC, quadD, 2, 6, 3, 7);
  const farY = v128.load(at, FAR_Y);
  const left = lerp(v128.shuffle<i64>(nearAB, nearCD, 0, 2), v128.shuffle<i64>(farAB, farCD, 0, 2), farY);
  const right = lerp(v128.shuffle<i64>(nearAB, nearCD, 1, 3), v128.shuffle<i64>(farAB, farCD, 1, 3), farY);
  return lerp(left, right, v128.load(at, FAR_X));
}

/** The two by two neighbours in a plane: (near y, near x), (near, far), (far, near), (far, far). */
// @ts-ignore: a decorator of the compiler
@inline
function neighbours(at: usize, row: usize): v128 {
  return v128.load64_lane(at + row, v128.load64_zero(at), 1);
}

// @ts-ignore: a decorator of the compiler
@inline
function lerp(near: v128, far: v128, weight: v128): v128 {
  return f32x4.add(near, f32x4.mul(f32x4.sub(far, near), weight));
}
