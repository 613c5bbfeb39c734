import { CaseError } from '../common/errors.ts';
import type { Triple } from '../common/geometry.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { CroppedCase } from '../raw/read-case.ts';
import type { NotedReading } from '../raw/readers.ts';
import type { StoreOptions } from './grid.ts';
import { type Keeping, keptOrRead } from './kept-cases.ts';
import { normalise } from './normalise.ts';
import { resampleCase, transposeCase } from './resample-case.ts';

/** A case on the grid of its plans, in their order of axes. */
export interface PreparedCase extends CroppedCase {
  /** Of the raw volume, in the same order. */
  rawSpacing: Triple;
  /** Of the box that was resampled. */
  croppedShape: Triple;
}

/**
 * Raw files on the way to what is stored, in nnU-Net's order: crop, transpose, normalise, resample.
 * @throws CaseError, FileError
 */
export async function prepareCase(raw: RawCase, options: StoreOptions, reading: NotedReading, keeping?: Keeping): Promise<PreparedCase> {
  const volumes = transposeCase(await keptOrRead(keeping, raw, options.labels, reading), options.transpose);
  const { spacing: rawSpacing, shape: croppedShape } = volumes;
  volumes.channels.forEach((channel, i) => {
    try {
      normalise(channel, volumes.segmentation, options.normalisation[i]);
    } catch (error) {
      throw new CaseError(
        raw.images[i] ?? raw.images[0],
        (error as Error).message,
        `Correct the image or the name of channel ${i} in dataset.json`,
        {
          cause: error,
        },
      );
    }
  });
  resampleCase(raw.images[0], volumes, options.spacing, options.resampling);
  return { ...volumes, rawSpacing, croppedShape };
}
