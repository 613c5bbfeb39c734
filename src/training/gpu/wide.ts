import { voxels } from '../../common/geometry.ts';
import type { Binding } from './kernel.ts';
import { type Maps, typeOf, type Width } from './memory.ts';

/** The largest that divides all sizes and places. */
export function widthFor(...sizes: number[]): Width {
  return sizes.every((size) => size % 4 === 0) ? 4 : 1;
}

/** Bindings through which a shader sees so many elements as one. */
export function wide(width: Width, ...bindings: Binding[]): Binding[] {
  return bindings.map((binding) => ({ ...binding, width }));
}

/** Maps of which so many voxels are one: for `place`. */
export function wideMaps(maps: Maps, width: Width): Maps {
  return { ...maps, shape: [1, 1, voxels(maps.shape) / width] };
}

/** WGSL of `Real`, so many float32, and of what makes one number of them: their sum, and the first. */
export function realText(width: Width): string {
  const [total, leading] = width === 1 ? ['x', 'x'] : ['(x.x + x.y) + (x.z + x.w)', 'x.x'];
  return `alias Real = ${typeOf('f32', width)};
fn total(x: Real) -> f32 { return ${total}; }
fn leading(x: Real) -> f32 { return ${leading}; }`;
}
