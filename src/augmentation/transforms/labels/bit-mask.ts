import { type Triple, voxels } from '../../../common/geometry.ts';
import type { ElementRow } from './structuring-element.ts';

/** Words of 32 voxels that a mask of `shape` needs; each row begins a word of its own. */
export function maskWords([depth, height, width]: Triple): number {
  return depth * height * Math.ceil(width / 32);
}

/** Bit i of word w of a row is voxel 32 * w + i. Bits beyond the row are 0. */
export function packMask(image: Float32Array, [, , width]: Triple, mask: Uint32Array): void {
  const words = Math.ceil(width / 32);
  mask.fill(0);
  for (let row = 0, at = 0; at < image.length; row += words)
    for (let x = 0; x < width; x++) if (image[at++] !== 0) mask[row + (x >>> 5)] |= 1 << (x & 31);
}

/** `visit` gets the voxels of the mask, as offsets in an array of `shape`, in order. */
export function visitMask(mask: Uint32Array, shape: Triple, visit: (voxel: number) => void): void {
  const words = Math.ceil(shape[2] / 32);
  for (let i = 0; i < mask.length; i++) {
    const first = Math.floor(i / words) * shape[2] + (i % words) * 32;
    for (let left = mask[i]; left !== 0; left &= left - 1) visit(first + 31 - Math.clz32(left & -left));
  }
}

/** Every voxel is the other thing, but for the bits beyond the rows. */
export function invertMask(mask: Uint32Array, [, , width]: Triple): void {
  const words = Math.ceil(width / 32);
  const last = width % 32 === 0 ? 0xffffffff : 2 ** (width % 32) - 1;
  for (let i = 0; i < mask.length; i++) mask[i] = ~mask[i] & (i % words === words - 1 ? last : 0xffffffff);
}

/**
 * Sets in `target` what has any voxel of `source` at the element's offsets; outside the patch there is none. `spread` is for its use.
 * 32 voxels at a time: a row of the element widens all rows of the mask, and the widened ones are put together.
 */
export function dilate(source: Uint32Array, target: Uint32Array, spread: Uint32Array, shape: Triple, element: readonly ElementRow[]): void {
  const [depth, height, width] = shape;
  const words = Math.ceil(width / 32);
  target.fill(0);
  for (const rows of Map.groupBy(element, ({ low, high }) => `${low} ${high}`).values()) {
    spread.fill(0);
    for (let x = rows[0].low; x <= rows[0].high; x++) addShifted(source, spread, words, x);
    for (const { z, y } of rows) {
      for (let i = Math.max(0, -z); i < Math.min(depth, depth - z); i++) {
        const from = Math.max(0, -y);
        const to = Math.min(height, height - y);
        const shift = (z * height + y) * words;
        for (let at = (i * height + from) * words; at < (i * height + to) * words; at++) target[at] |= spread[at + shift];
      }
    }
  }
  if (width % 32 === 0) return;
  for (let at = words - 1; at < voxels([depth, height, words]); at += words) target[at] &= 2 ** (width % 32) - 1;
}

/** Voxel x of each row of `target` becomes set where voxel x + `offset` of `source` is. */
function addShifted(source: Uint32Array, target: Uint32Array, words: number, offset: number): void {
  const whole = Math.floor(offset / 32);
  const rest = offset - whole * 32;
  for (let row = 0; row < source.length; row += words) {
    for (let word = 0; word < words; word++) {
      const low = word + whole;
      let bits = low >= 0 && low < words ? source[row + low] >>> rest : 0;
      if (rest !== 0 && low + 1 >= 0 && low + 1 < words) bits |= source[row + low + 1] << (32 - rest);
      target[row + word] |= bits;
    }
  }
}
