import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../common/atomic-file.ts';
import { ifThere } from '../../common/files.ts';
import { divide } from '../../formats/b2nd/block-shape.ts';
import { encodeB2nd } from '../../formats/b2nd/encode-b2nd.ts';
import { caseFiles } from '../file-names.ts';
import type { SourceFile } from '../sidecar.ts';
import { type CaseProperties, encodeProperties } from './encode-properties.ts';
import { readProperties } from './properties.ts';

/** What a run of ours says of a case it wrote, to know it again. */
export interface Written {
  /** Of the options it was written with. */
  optionsHash: string;
  sources: SourceFile[];
}

/** What is stored of one case. */
export interface NnunetContent extends Omit<CaseProperties, 'voxfeed'>, Written {
  id: string;
  /** float32 [z, y, x] of `shape`, one a channel. */
  images: readonly Float32Array[];
  /** The same. */
  segmentation: Int8Array | Int16Array;
  /** What patches will be read, two or three axes: the files are divided for them. */
  patchSize: readonly number[];
}

/** Writes the three files of a case as nnU-Net 2.8.1 does. The `.pkl` comes last: where it stands, the case is whole. @throws FileError */
export async function writeNnunetCase(dir: string, content: NnunetContent): Promise<void> {
  const { id, images, segmentation, shape, patchSize, optionsHash, sources, ...properties } = content;
  const paths = caseFiles(dir, id, 'b2nd');
  const path = propertiesPath(dir, id);
  await ifThere(path, unlink(path));
  const dataBytes = await writeArray(
    paths.data,
    encodeB2nd({ channels: images, shape, dtype: '<f4', division: divide(shape, patchSize, 4) }),
  );
  const labels = encodeB2nd({ channels: [segmentation], shape, dtype: '<i2', division: divide(shape, patchSize, 2) });
  const segmentationBytes = await writeArray(paths.segmentation, labels);
  const voxfeed = new Map<string, unknown>([
    ['options', optionsHash],
    ['sources', sources.map(({ bytes, modifiedMs, name }) => new Map<string, unknown>(Object.entries({ name, bytes, modifiedMs })))],
    ['bytes', [dataBytes, segmentationBytes]],
  ]);
  await writeAtomic(path, encodeProperties({ ...properties, shape, voxfeed }));
}

/**
 * What `writeNnunetCase` said of a case, and the bytes of image and labels; null for one that something else wrote.
 * @throws StoreError, FileError if its `.pkl` cannot be read
 */
export function readWritten(dir: string, id: string): (Written & { bytes: [number, number] }) | null {
  const ours = readProperties(propertiesPath(dir, id)).get('voxfeed');
  if (!(ours instanceof Map)) return null;
  const [optionsHash, sources, bytes] = ['options', 'sources', 'bytes'].map((key) => ours.get(key));
  const maps = Array.isArray(sources) && sources.every((entry) => entry instanceof Map);
  return maps ? { optionsHash, sources: sources.map((entry) => Object.fromEntries(entry)), bytes } : null;
}

export function propertiesPath(dir: string, id: string): string {
  return join(dir, `${id}.pkl`);
}

async function writeArray(path: string, parts: readonly Uint8Array[]): Promise<number> {
  await writeAtomic(path, parts);
  return parts.reduce((sum, { length }) => sum + length, 0);
}
