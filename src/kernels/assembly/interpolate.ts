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
  let nearAB = pairs(a, b);
  let nearCD = pairs(c, d);
  let farAB = pairs(a + row, b + row);
  let farCD = pairs(c + row, d + row);
  if (plane != 0) {
    const farZ = v128.load(at, FAR_Z);
    const zAB = v128.shuffle<f32>(farZ, farZ, 0, 0, 1, 1);
    const zCD = v128.shuffle<f32>(farZ, farZ, 2, 2, 3, 3);
    nearAB = lerp(nearAB, pairs(a + plane, b + plane), zAB);
    nearCD = lerp(nearCD, pairs(c + plane, d + plane), zCD);
    farAB = lerp(farAB, pairs(a + plane + row, b + plane + row), zAB);
    farCD = lerp(farCD, pairs(c + plane + row, d + plane + row), zCD);
  }
  const farY = v128.load(at, FAR_Y);
  const betweenAB = lerp(nearAB, farAB, v128.shuffle<f32>(farY, farY, 0, 0, 1, 1));
  const betweenCD = lerp(nearCD, farCD, v128.shuffle<f32>(farY, farY, 2, 2, 3, 3));
  const left = v128.shuffle<f32>(betweenAB, betweenCD, 0, 2, 4, 6);
  const right = v128.shuffle<f32>(betweenAB, betweenCD, 1, 3, 5, 7);
  return lerp(left, right, v128.load(at, FAR_X));
}

/** Of two voxels, the one at the place and the next one along x. */
// @ts-ignore: a decorator of the compiler
@inline
function pairs(a: usize, b: usize): v128 {
  return v128.load64_lane(b, v128.load64_zero(a), 1);
}

// @ts-ignore: a decorator of the compiler
@inline
function lerp(near: v128, far: v128, weight: v128): v128 {
  return f32x4.add(near, f32x4.mul(f32x4.sub(far, near), weight));
}
