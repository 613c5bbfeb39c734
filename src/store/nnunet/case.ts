import { join } from 'node:path';
import { StoreError } from '../../common/errors.ts';
import { show, type Triple } from '../../common/geometry.ts';
import type { Checksum } from '../../common/hash.ts';
import { type LargestBlock, largestBlock } from '../../formats/b2nd/head.ts';
import { isImage } from '../../formats/npy.ts';
import type { DataMeaning } from '../../raw/dataset-json.ts';
import { sampleClassLocations } from '../class-locations.ts';
import { type ArrayFormat, caseFiles } from '../file-names.ts';
import type { Sidecar, SourceFile } from '../sidecar.ts';
import type { StoreIndex } from '../store-index.ts';
import { readSegmentation } from '../whole-array.ts';
import { readArrayHead } from './array-head.ts';
import { type Grid, readLocations, readOrigin, readProperties } from './properties.ts';

/** A case, read. */
export interface NnunetCase {
  sidecar: Sidecar;
  labelDtype: StoreIndex['labelDtype'];
  /** Of its .b2nd files. */
  block: LargestBlock | null;
}

const PREPROCESS = "Run nnU-Net's preprocessing again for this case";

/**
 * What a sidecar of ours says of a case that nnU-Net preprocessed. Its voxels are read only where its `.pkl` has no class locations.
 * @throws StoreError, FileError naming the file
 */
export function readNnunetCase(
  dir: string,
  id: string,
  format: ArrayFormat,
  { channels, labels, ...grid }: DataMeaning & Grid,
  sources: SourceFile[],
  checksum: Checksum,
): NnunetCase {
  const paths = caseFiles(dir, id, format);
  const image = readArrayHead(paths.data, format, 'data', checksum);
  const { length } = channels;
  if (image.shape.length !== 4 || image.shape[0] !== length || image.dtype !== '<f4')
    throw new StoreError(
      paths.data,
      `it is an array ${show(image.shape)} of ${image.dtype}, and dataset.json names ${length === 1 ? 'one channel' : `${length} channels`}`,
      `It must be [${length}, z, y, x] of <f4: ${PREPROCESS.toLowerCase()}`,
    );
  const shape = image.shape.slice(1) as Triple;
  const target = readArrayHead(paths.segmentation, format, 'seg', checksum);
  // Labels have a channel axis, too.
  if (target.shape.slice(-3).join() !== shape.join() || target.shape.slice(0, -3).some((size) => size !== 1) || isImage(target.dtype))
    throw new StoreError(
      paths.segmentation,
      `it is an array ${show(target.shape)} of ${target.dtype}, the image is ${show(shape)}`,
      `It must be [1, ${shape.join(', ')}] of <i2: ${PREPROCESS.toLowerCase()}`,
    );
  const path = join(dir, `${id}.pkl`);
  const properties = readProperties(path);
  const classes =
    readLocations(path, properties, labels.classes, shape) ??
    sampleClassLocations(readSegmentation(paths.segmentation, format), labels.classes);
  const sidecar: Sidecar = {
    format: 'voxfeed-case',
    version: 3,
    id,
    channels: length,
    shape,
    ...readOrigin(path, properties, grid, shape),
    coverage: [],
    optionsHash: '',
    sources,
    files: { data: image.file, segmentation: target.file },
    classes,
  };
  return {
    sidecar,
    labelDtype: target.dtype === '|i1' ? 'int8' : 'int16',
    block: largestBlock([image.block, target.block].flatMap((block) => block ?? [])),
  };
}
