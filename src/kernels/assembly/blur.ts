/**
 * Blurs float32 [depth][height][width] in place: along axis 0, then 1, then 2, each with symmetric weights of odd length (float32
 * `taps`, `length`); an axis of length 1 is left as it is. Beyond the ends the array goes on mirrored, without the voxel at the end
 * twice, back and forth as far as it takes. Voxels at equal distance are added before they are weighted: a mirrored array becomes
 * exactly the mirrored result.
 *
 * The array is read and written once. A row of axis 0 is made of the planes around it, a row of axis 1 of the rows around it, and
 * what is overwritten while it is still wanted is kept in `scratch`: planes of axis 0 that lie behind, rows of axis 1, one row of
 * axis 2 with what is beyond its ends. `scratch` is
 *
 *     uint32 [length0 + length1 + length2], the addresses of what is added, 16-byte aligned at the end
 *     rows of `pitch` bytes, those of a row and length2 / 2 voxels at each end, 16-byte aligned: min(length1, height) + 1 of them
 *     planes: min(length0 / 2, depth) of them
 */
export function blur(
  pointer: usize,
  depth: i32,
  height: i32,
  width: i32,
  taps0: usize,
  length0: i32,
  taps1: usize,
  length1: i32,
  taps2: usize,
  length2: i32,
  scratch: usize,
): void {
  const reach0 = length0 >> 1;
  const reach1 = length1 >> 1;
  const reach2 = length2 >> 1;
  const row = <usize>width << 2;
  const plane = <usize>height * row;
  const margin = <usize>reach2 << 2;
  const pitch = (row + 2 * margin + 15) & ~15;
  const list0 = scratch;
  const list1 = list0 + (<usize>length0 << 2);
  const list2 = list1 + (<usize>length1 << 2);
  const padded = (list2 + (<usize>length2 << 2) + 15) & ~15;
  const rows = padded + pitch;
  const rowSlots = min(length1, height);
  const planes = rows + <usize>rowSlots * pitch;
  const planeSlots = max(min(reach0, depth), 1);
  for (let i = 0; i < length2; i++) store<u32>(list2 + (<usize>i << 2), <u32>(padded + (<usize>i << 2)));

  for (let z = 0; z < depth; z++) {
    for (let i = 0; i < length0; i++) {
      const near = reflect(z + i - reach0, depth);
      const kept = planes + <usize>(near % planeSlots) * plane;
      store<u32>(list0 + (<usize>i << 2), <u32>(near < z ? kept : pointer + <usize>near * plane));
    }
    const current = pointer + <usize>z * plane;
    const keep = planes + <usize>(z % planeSlots) * plane;
    let ready = 0;
    for (let y = 0; y < height; y++) {
      for (const last = min(y + reach1, height - 1); ready <= last; ready++) {
        const offset = <usize>ready * row;
        const made = length1 > 1 ? rows + <usize>(ready % rowSlots) * pitch : padded + margin;
        if (length0 > 1) {
          combine(made, row, list0, offset, taps0, length0);
          copy(keep + offset, current + offset, row);
        } else copy(made, current + offset, row);
      }
      const target = current + <usize>y * row;
      if (length1 > 1) {
        for (let i = 0; i < length1; i++)
          store<u32>(list1 + (<usize>i << 2), <u32>(rows + <usize>(reflect(y + i - reach1, height) % rowSlots) * pitch));
        combine(length2 > 1 ? padded + margin : target, row, list1, 0, taps1, length1);
      } else if (length2 == 1) copy(target, padded, row);
      if (length2 > 1) {
        extend(padded + margin, width, reach2);
        combine(target, row, list2, 0, taps2, length2);
      }
    }
  }
}

/** Which of 0 … size - 1 stands at `index` of the mirrored continuation. */
function reflect(index: i32, size: i32): i32 {
  if (<u32>index < <u32>size) return index;
  if (size == 1) return 0;
  const period = 2 * (size - 1);
  const rest = (index < 0 ? -index : index) % period;
  return rest < size ? rest : period - rest;
}

/** Fills in what is beyond the ends of a row. */
function extend(row: usize, width: i32, reach: i32): void {
  for (let i = 1; i <= reach; i++) {
    store<f32>(row - (<usize>i << 2), load<f32>(row + (<usize>reflect(-i, width) << 2)));
    store<f32>(row + (<usize>(width - 1 + i) << 2), load<f32>(row + (<usize>reflect(width - 1 + i, width) << 2)));
  }
}

function copy(target: usize, source: usize, bytes: usize): void {
  const wide = bytes & ~15;
  let i: usize = 0;
  for (; i < wide; i += 16) v128.store(target + i, v128.load(source + i));
  for (; i < bytes; i += 4) store<f32>(target + i, load<f32>(source + i));
}

/**
 * target = taps[middle] * list[middle] + … + taps[0] * (list[0] + list[last]), where `list` has the addresses of rows less `offset`.
 * The target is none of them, so the last vector of a row may be made of some of the one before it.
 */
function combine(target: usize, bytes: usize, list: usize, offset: usize, taps: usize, length: i32): void {
  if (bytes < 16) {
    for (let i: usize = 0; i < bytes; i += 4) store<f32>(target + i, f32x4.extract_lane(any(list, offset + i, taps, length, false), 0));
    return;
  }
  const last = bytes - 16;
  if (length == 3) {
    const a = source(list, 0, offset);
    const b = source(list, 1, offset);
    const c = source(list, 2, offset);
    const k1 = v128.load32_splat(taps);
    const k0 = v128.load32_splat(taps, 4);
    for (let i: usize = 0; i < last; i += 16) v128.store(target + i, three(a + i, b + i, c + i, k0, k1));
    v128.store(target + last, three(a + last, b + last, c + last, k0, k1));
  } else if (length == 5) {
    const a = source(list, 0, offset);
    const b = source(list, 1, offset);
    const c = source(list, 2, offset);
    const d = source(list, 3, offset);
    const e = source(list, 4, offset);
    const k2 = v128.load32_splat(taps);
    const k1 = v128.load32_splat(taps, 4);
    const k0 = v128.load32_splat(taps, 8);
    for (let i: usize = 0; i < last; i += 16) v128.store(target + i, five(a + i, b + i, c + i, d + i, e + i, k0, k1, k2));
    v128.store(target + last, five(a + last, b + last, c + last, d + last, e + last, k0, k1, k2));
  } else if (length == 7) {
    const a = source(list, 0, offset);
    const b = source(list, 1, offset);
    const c = source(list, 2, offset);
    const d = source(list, 3, offset);
    const e = source(list, 4, offset);
    const f = source(list, 5, offset);
    const g = source(list, 6, offset);
    const k3 = v128.load32_splat(taps);
    const k2 = v128.load32_splat(taps, 4);
    const k1 = v128.load32_splat(taps, 8);
    const k0 = v128.load32_splat(taps, 12);
    for (let i: usize = 0; i < last; i += 16)
      v128.store(target + i, f32x4.add(five(b + i, c + i, d + i, e + i, f + i, k0, k1, k2), pair(a + i, g + i, k3)));
    v128.store(
      target + last,
      f32x4.add(five(b + last, c + last, d + last, e + last, f + last, k0, k1, k2), pair(a + last, g + last, k3)),
    );
  } else {
    for (let i: usize = 0; i < last; i += 16) v128.store(target + i, any(list, offset + i, taps, length, true));
    v128.store(target + last, any(list, offset + last, taps, length, true));
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function source(list: usize, index: usize, offset: usize): usize {
  return <usize>load<u32>(list + (index << 2)) + offset;
}

// @ts-ignore: a decorator of the compiler
@inline
function pair(a: usize, b: usize, k: v128): v128 {
  return f32x4.mul(k, f32x4.add(v128.load(a), v128.load(b)));
}

// @ts-ignore: a decorator of the compiler
@inline
function three(a: usize, b: usize, c: usize, k0: v128, k1: v128): v128 {
  return f32x4.add(f32x4.mul(k0, v128.load(b)), pair(a, c, k1));
}

// @ts-ignore: a decorator of the compiler
@inline
function five(a: usize, b: usize, c: usize, d: usize, e: usize, k0: v128, k1: v128, k2: v128): v128 {
  return f32x4.add(three(b, c, d, k0, k1), pair(a, e, k2));
}

/** Any length; without `wide` only the first of the four. */
function any(list: usize, offset: usize, taps: usize, length: i32, wide: bool): v128 {
  const middle = length >> 1;
  const at = source(list, middle, offset);
  let sum = f32x4.mul(v128.load32_splat(taps + (<usize>middle << 2)), wide ? v128.load(at) : v128.load32_zero(at));
  for (let i = middle - 1; i >= 0; i--) {
    const a = source(list, i, offset);
    const b = source(list, length - 1 - i, offset);
    const both = wide ? f32x4.add(v128.load(a), v128.load(b)) : f32x4.add(v128.load32_zero(a), v128.load32_zero(b));
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(taps + (<usize>i << 2)), both));
  }
  return sum;
}
