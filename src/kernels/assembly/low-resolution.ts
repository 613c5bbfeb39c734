/**
 * Makes each voxel of float32 [depth][height][width] into a blend of eight, in place: along every axis, of the two at `low` and `high`
 * by `weight`, low + weight * (high - low). The table of an axis of n voxels is int32 low [n], int32 high [n], float32 weight [n].
 * That is a coarser array made of some of the voxels, and interpolated between them; the coarser array itself is never written down.
 *
 * Going up an axis, no voxel may be wanted for the first time after its own place: by then it is overwritten. Of the voxels wanted so
 * far, at most the two of the latest place may be wanted again.
 *
 * `scratch` is float32 [2][width] and, 16-byte aligned, float32 [2][height][width]: rows interpolated along axis 2, and planes
 * interpolated along axes 2 and 1, so that each is interpolated once however many use it.
 */
export function lowResolution(
  pointer: usize,
  depth: i32,
  height: i32,
  width: i32,
  table0: usize,
  table1: usize,
  table2: usize,
  scratch: usize,
): void {
  const plane = (<usize>height * <usize>width) << 2;
  const slot0 = (scratch + (<usize>width << 3) + 15) & ~15;
  const slot1 = slot0 + plane;
  const same2 = isSame(table2, width);
  if (isSame(table0, depth)) {
    for (let z = 0; z < depth; z++, pointer += plane) makePlane(pointer, pointer, height, width, table1, table2, same2, scratch);
    return;
  }
  // Which planes are in the slots.
  let in0 = -1;
  let in1 = -1;
  for (let z = 0; z < depth; z++) {
    const low = load<i32>(table0 + (<usize>z << 2));
    const high = load<i32>(table0 + (<usize>(depth + z) << 2));
    const weight = load<f32>(table0 + (<usize>(2 * depth + z) << 2));
    if (low != in0 && low != in1) {
      const first = in0 != high;
      makePlane(pointer + <usize>low * plane, first ? slot0 : slot1, height, width, table1, table2, same2, scratch);
      if (first) in0 = low;
      else in1 = low;
    }
    const a = low == in0 ? slot0 : slot1;
    if (weight != 0 && high != in0 && high != in1) {
      const first = low != in0;
      makePlane(pointer + <usize>high * plane, first ? slot0 : slot1, height, width, table1, table2, same2, scratch);
      if (first) in0 = high;
      else in1 = high;
    }
    blend(pointer + <usize>z * plane, a, high == in0 ? slot0 : slot1, weight, plane);
  }
}

/** Whether every voxel of an axis stays what it is. */
function isSame(table: usize, size: i32): bool {
  for (let i = 0; i < size; i++)
    if (load<i32>(table + (<usize>i << 2)) != i || load<f32>(table + (<usize>(2 * size + i) << 2)) != 0) return false;
  return true;
}

/** Interpolates a plane along axes 2 and 1. The target may be the source itself. */
function makePlane(
  source: usize,
  target: usize,
  height: i32,
  width: i32,
  table1: usize,
  table2: usize,
  same2: bool,
  scratch: usize,
): void {
  const row = <usize>width << 2;
  const slot0 = scratch;
  const slot1 = scratch + row;
  let in0 = -1;
  let in1 = -1;
  for (let y = 0; y < height; y++, target += row) {
    const low = load<i32>(table1 + (<usize>y << 2));
    const high = load<i32>(table1 + (<usize>(height + y) << 2));
    const weight = load<f32>(table1 + (<usize>(2 * height + y) << 2));
    if (low != in0 && low != in1) {
      const first = in0 != high;
      makeRow(source + <usize>low * row, first ? slot0 : slot1, width, table2, same2);
      if (first) in0 = low;
      else in1 = low;
    }
    const a = low == in0 ? slot0 : slot1;
    if (weight != 0 && high != in0 && high != in1) {
      const first = low != in0;
      makeRow(source + <usize>high * row, first ? slot0 : slot1, width, table2, same2);
      if (first) in0 = high;
      else in1 = high;
    }
    blend(target, a, high == in0 ? slot0 : slot1, weight, row);
  }
}

/** Interpolates a row along axis 2. The target is another row. */
function makeRow(source: usize, target: usize, width: i32, table: usize, same: bool): void {
  const row = <usize>width << 2;
  if (same) {
    blend(target, source, source, 0, row);
    return;
  }
  const weights = table + 2 * row;
  if (width < 4) {
    for (let i: usize = 0; i < row; i += 4) {
      const low = load<f32>(source + (<usize>load<i32>(table + i) << 2));
      const high = load<f32>(source + (<usize>load<i32>(table + row + i) << 2));
      store<f32>(target + i, low + load<f32>(weights + i) * (high - low));
    }
    return;
  }
  const last = row - 16;
  for (let i: usize = 0; ; i += 16) {
    // The last vector may be made of some of the one before it.
    if (i > last) i = last;
    const low = gather(source, table + i);
    const high = gather(source, table + row + i);
    v128.store(target + i, f32x4.add(low, f32x4.mul(v128.load(weights + i), f32x4.sub(high, low))));
    if (i == last) break;
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function gather(source: usize, indices: usize): v128 {
  let vector = v128.load32_zero(source + (<usize>load<i32>(indices) << 2));
  vector = v128.load32_lane(source + (<usize>load<i32>(indices, 4) << 2), vector, 1);
  vector = v128.load32_lane(source + (<usize>load<i32>(indices, 8) << 2), vector, 2);
  return v128.load32_lane(source + (<usize>load<i32>(indices, 12) << 2), vector, 3);
}

/** target = a + weight * (b - a); the same as a where the weight is 0, whatever is in b. The target may be neither. */
function blend(target: usize, a: usize, b: usize, weight: f32, bytes: usize): void {
  const wide = bytes & ~15;
  let i: usize = 0;
  if (weight == 0) {
    for (; i < wide; i += 16) v128.store(target + i, v128.load(a + i));
    for (; i < bytes; i += 4) store<f32>(target + i, load<f32>(a + i));
    return;
  }
  const weights = f32x4.splat(weight);
  for (; i < wide; i += 16) {
    const x = v128.load(a + i);
    v128.store(target + i, f32x4.add(x, f32x4.mul(weights, f32x4.sub(v128.load(b + i), x))));
  }
  for (; i < bytes; i += 4) {
    const x = load<f32>(a + i);
    store<f32>(target + i, x + weight * (load<f32>(b + i) - x));
  }
}
