import { mapFiles, nullIfDamaged } from '../common/files.ts';
import { voxels } from '../common/geometry.ts';
import { readVolumeHead } from '../raw/read-volumes.ts';
import type { CaseTask } from './case-task.ts';
import { gridShape } from './grid.ts';

/** How often all channels are in memory at most. */
const CHANNELS = { check: 1, fingerprint: 1, coverage: 0, write: 1, 'write-nnunet': 2 };

/**
 * The most bytes that a worker takes for one case, an upper bound from the headers of its files. With V voxels, those of the
 * raw or of the resampled volume, whichever are more, and C channels:
 *
 * - 4 C V for the channels;
 * - 16 V for one more channel twice over (reading: file and label; resampling: source, intermediate, result; locations: two
 *   lists of indices; coverage: the summed-area table), the segmentation, and the marks of the nonzero region;
 * - one file as it is on disk and inflated;
 * - for nnU-Net, 4 C V for the channels once more, compressed: that may be no less;
 * - for .b2nd files the same, for float16 and int16 in .npy files 2 C V for the channels once more.
 *
 * 0 if a header is damaged: the worker will say what is wrong with it.
 */
export async function caseBytes(task: CaseTask): Promise<number> {
  const { images, label } = task.raw;
  const paths = task.kind === 'coverage' ? [label] : [...images, label];
  const { reader } = task.reading;
  const heads = await mapFiles(paths, (path) => readVolumeHead(path, reader, path === label).catch(nullIfDamaged));
  if (heads.includes(null)) return 0;
  const known = heads as NonNullable<(typeof heads)[number]>[];
  const [{ shape, spacing }] = known;
  const grids = 'options' in task ? [task.options] : task.kind === 'coverage' ? task.grids : [];
  const largest = Math.max(voxels(shape), ...grids.map((grid) => voxels(gridShape(grid, shape, spacing))));
  const files = Math.max(...heads.map((head) => (head === null ? 0 : head.fileBytes + head.offset + head.voxelBytes)));
  const channels = CHANNELS[task.kind] * known.slice(0, images.length).reduce((sum, head) => sum + head.channels, 0);
  const { arrays, dtype } = task.kind === 'write' ? task.options : {};
  const copied = arrays === 'b2nd' ? channels : dtype !== undefined ? channels / 2 : 0;
  return (4 * (channels + copied) + 16) * largest + files;
}
