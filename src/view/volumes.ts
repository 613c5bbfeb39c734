import { type Triple, triple, voxels } from '../common/geometry.ts';
import { fromInt16 } from '../formats/int16.ts';
import { areRegions, regionNumbers } from '../pictures/outlined-labels.ts';
import { greyWindow } from '../pictures/slice-view.ts';
import { caseFiles } from '../store/file-names.ts';
import type { Store } from '../store/store.ts';
import { readArray, readSegmentation } from '../store/whole-array.ts';
import type { VolumeFacts } from './facts.ts';
import type { Packet } from './packet.ts';

/** Voxels that a page is given of one case: of a larger one, every other or third. */
const MOST_VOXELS = 48 * 1024 ** 2;
/** Enough to find the darkest and the brightest percent. */
const SAMPLED = 200_000;

/** A whole stored case: image [z, y, x] of one channel, and labels, by the numbers that the page's legend has. */
export function readVolume(store: Store, caseNumber: number, channel: number): Packet & { facts: VolumeFacts } {
  const { id, shape, spacing, lines } = store.cases[caseNumber];
  const format = store.index.arrays ?? 'npy';
  const files = caseFiles(store.dir, id, format);
  const step = Math.max(1, Math.ceil(Math.cbrt(voxels(shape) / MOST_VOXELS)));
  const count = voxels(shape);
  const whole = readArray(files.data, format, 'data').data;
  const stored = whole.subarray(channel * count, (channel + 1) * count);
  const image = thinned(lines === undefined ? Float32Array.from(stored) : fromInt16(stored, lines[channel]), shape, step);
  const labelled = readSegmentation(files.segmentation, format);
  const outlined = areRegions(store.classes) ? regionNumbers(labelled, store.classes) : Int16Array.from(labelled);
  const labels = thinned(outlined, shape, step);
  const every = Math.max(1, Math.floor(image.data.length / SAMPLED));
  const some = Float32Array.from({ length: Math.floor(image.data.length / every) }, (_, i) => image.data[i * every]);
  const facts = { id, shape: image.shape, step, spacing: triple((axis) => spacing[axis] * step), window: greyWindow(some) };
  return { facts, arrays: { image, labels } };
}

/** Every `step`-th voxel along each axis. */
function thinned<T extends Float32Array | Int16Array>(data: T, shape: Triple, step: number): { data: T; shape: Triple } {
  if (step === 1) return { data, shape };
  const small = triple((axis) => Math.ceil(shape[axis] / step));
  const kept = data.slice(0, voxels(small)) as T;
  let i = 0;
  for (let z = 0; z < shape[0]; z += step)
    for (let y = 0; y < shape[1]; y += step) for (let x = 0; x < shape[2]; x += step) kept[i++] = data[(z * shape[1] + y) * shape[2] + x];
  return { data: kept, shape: small };
}
