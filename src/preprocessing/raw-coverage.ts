import { type Box, boxShape, transpose } from '../common/geometry.ts';
import { measureCoverage } from '../planning/coverage.ts';
import { cropVolume } from '../raw/crop.ts';
import type { Labels } from '../raw/labels.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import { readSegmentation } from '../raw/read-case.ts';
import type { NotedReading } from '../raw/readers.ts';
import type { Coverage } from '../store/sidecar.ts';
import { gridShape, type PatchGrid, targetOf } from './grid.ts';
import { naming } from './resample-case.ts';
import { separateAxis } from './resampling/resample-image.ts';
import { resampleLabels } from './resampling/resample-labels.ts';
import { transposeVolume } from './transpose.ts';

/** What `measureCoverage` will find on each grid once the case is preprocessed, from its label file alone. @throws CaseError, FileError */
export async function coverRaw(
  raw: RawCase,
  labels: Labels,
  cropBox: Box,
  grids: readonly PatchGrid[],
  reading: NotedReading,
): Promise<Coverage[]> {
  const { data, shape, spacing } = await readSegmentation(raw, labels, reading);
  const cropped = cropVolume(data, shape, cropBox);
  return grids.map((grid) => {
    const own = transpose(spacing, grid.transpose);
    const from = transpose(boxShape(cropBox), grid.transpose);
    const to = gridShape(grid, boxShape(cropBox), spacing);
    const separate = separateAxis(own, targetOf(grid.spacing, own));
    const turned = transposeVolume(cropped, boxShape(cropBox), grid.transpose);
    const resampled = naming(raw.images[0], own, grid.spacing, () => resampleLabels(turned, from, to, { order: 1, separate }));
    return measureCoverage(resampled, to, grid.patch, labels.classes);
  });
}
