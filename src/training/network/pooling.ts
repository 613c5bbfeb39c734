import { type Triple, voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, read, write } from '../gpu/kernel.ts';
import { type Maps, place } from '../gpu/memory.ts';
import { ravel, unravel, vector } from './taps.ts';

/** Each voxel of `coarse` is the mean of a block of `fine`, as large as the stride, which divides its shape (PyTorch's `AvgPool`). */
export function meanPool(name: string, fine: Maps, coarse: Maps, stride: Triple): Kernel {
  const { batch, channels, shape } = coarse;
  const area = voxels(shape);
  return elementwise(
    `${name} mean`,
    batch * channels * area,
    [read('fine', fine), write('coarse', coarse)],
    `
  let map = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let sample = map / ${channels}u; let channel = map % ${channels}u;
  let corner = ${unravel('voxel', shape)} * ${vector(stride)};
  var sum = 0.0;
  for (var i = 0u; i < ${voxels(stride)}u; i++) {
    let at = corner + ${unravel('i', stride)};
    sum += f32(fine[${place(fine, 'sample', 'channel', ravel('at', fine.shape))}]);
  }
  coarse[${place(coarse, 'sample', 'channel', 'voxel')}] = ${coarse.memory.type}(sum / ${voxels(stride)}.0);`,
  );
}

/** Each voxel of a block has an equal part in the mean. */
export function meanPoolGradient(
  name: string,
  fineGradient: Maps,
  coarseGradient: Maps,
  stride: Triple,
  { accumulate = false } = {},
): Kernel {
  const { batch, channels, shape } = fineGradient;
  const area = voxels(shape);
  return elementwise(
    `${name} mean gradient`,
    batch * channels * area,
    [read('coarseGradient', coarseGradient), write('fineGradient', fineGradient)],
    `
  let map = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let sample = map / ${channels}u; let channel = map % ${channels}u;
  let at = ${unravel('voxel', shape)} / ${vector(stride)};
  let part = f32(coarseGradient[${place(coarseGradient, 'sample', 'channel', ravel('at', coarseGradient.shape))}]) / ${voxels(stride)}.0;
  let fine = ${place(fineGradient, 'sample', 'channel', 'voxel')};
  fineGradient[fine] = ${fineGradient.memory.type}(${accumulate ? 'f32(fineGradient[fine]) + ' : ''}part);`,
  );
}
