import { readFile, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { caseFiles } from '../dataset/case-files.ts';
import { sampleClassLocations } from '../dataset/class-locations.ts';
import { xxh64 } from '../dataset/hash.ts';
import type { Labels } from '../dataset/labels.ts';
import { type Dtype, encodeNpyHeader } from '../dataset/npy.ts';
import type { RawCase } from '../dataset/raw-dataset.ts';
import { decodeSidecar, encodeSidecar, type Sidecar, type SourceFile, type StoredFile } from '../dataset/sidecar.ts';
import type { StoredCase } from '../dataset/store.ts';
import { CaseError, fileError } from '../errors.ts';
import type { Normalisation } from '../planning/normalisation.ts';
import { writeAtomic } from './atomic-file.ts';
import { normalise } from './normalise.ts';
import { readCase } from './read-case.ts';

/** What decides the contents of a store, besides the raw files. */
export interface StoreOptions {
  labels: Labels;
  channels: string[];
  normalisation: Normalisation[];
}

/**
 * One case from raw files to the store, in nnU-Net's order: crop, normalise, (resample), class locations, write.
 * The sidecar is written last: where it stands, the case is whole.
 */
export async function preprocessCase(raw: RawCase, options: StoreOptions, optionsHash: string, outDir: string): Promise<StoredCase> {
  const sources = await statSources(raw);
  const cropped = await readCase(raw, options.labels);
  const { channels, segmentation, shape } = cropped;
  channels.forEach((channel, i) => {
    try {
      normalise(channel, segmentation, options.normalisation[i]);
    } catch (error) {
      throw new CaseError(raw.images[i], (error as Error).message, `Correct the image or the name of channel ${i} in dataset.json`, {
        cause: error,
      });
    }
  });
  // Resampling to the target spacing has its place here, between normalisation and class locations.
  const classes = sampleClassLocations(segmentation, options.labels.classes);

  const paths = caseFiles(outDir, raw.id);
  await rm(paths.sidecar, { force: true });
  const data = await writeArray(paths.data, '<f4', [channels.length, ...shape], channels);
  const labels = await writeArray(paths.segmentation, segmentation instanceof Int8Array ? '|i1' : '<i2', shape, [segmentation]);
  const sidecar: Sidecar = {
    format: 'voxfeed-case',
    version: 1,
    id: raw.id,
    channels: channels.length,
    shape,
    spacing: cropped.spacing,
    shapeBeforeCrop: cropped.shapeBeforeCrop,
    cropBox: cropped.cropBox,
    affine: cropped.affine,
    optionsHash,
    sources,
    files: { data, segmentation: labels },
    classes,
  };
  await writeAtomic(paths.sidecar, [encodeSidecar(sidecar)]);
  return toStoredCase(sidecar);
}

async function writeArray(
  path: string,
  dtype: Dtype,
  shape: number[],
  arrays: readonly (Float32Array | Int16Array | Int8Array)[],
): Promise<StoredFile> {
  const parts = [encodeNpyHeader(dtype, shape), ...arrays.map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength))];
  await writeAtomic(path, parts);
  return { bytes: parts.reduce((sum, part) => sum + part.length, 0), xxh64: await xxh64(...parts) };
}

async function statSources(raw: RawCase): Promise<SourceFile[]> {
  return Promise.all(
    [...raw.images, raw.label].map(async (path) => {
      const found = await stat(path).catch((error) => {
        throw fileError(path, error);
      });
      return { name: basename(path), bytes: found.size, modifiedMs: Math.round(found.mtimeMs) };
    }),
  );
}

/** What a store already holds of a case. */
export type Finished = { state: 'absent' | 'outdated' | 'other options' } | { state: 'finished'; entry: StoredCase };

/** Tells whether `preprocessCase` need not run again: the sidecar stands, and neither sources nor files have changed. */
export async function findFinished(raw: RawCase, optionsHash: string, outDir: string): Promise<Finished> {
  const paths = caseFiles(outDir, raw.id);
  let sidecar: Sidecar;
  try {
    sidecar = decodeSidecar(paths.sidecar, await readFile(paths.sidecar));
  } catch {
    // Missing or damaged: either way it is to be written again.
    return { state: 'absent' };
  }
  if (sidecar.optionsHash !== optionsHash) return { state: 'other options' };
  const sources = await statSources(raw);
  const same =
    sources.length === sidecar.sources.length &&
    sources.every(({ bytes, modifiedMs }, i) => bytes === sidecar.sources[i].bytes && modifiedMs === sidecar.sources[i].modifiedMs);
  const sizes = await Promise.all(
    [paths.data, paths.segmentation].map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => -1,
      ),
    ),
  );
  if (!same || sizes[0] !== sidecar.files.data.bytes || sizes[1] !== sidecar.files.segmentation.bytes) return { state: 'outdated' };
  return { state: 'finished', entry: await toStoredCase(sidecar) };
}

async function toStoredCase({ id, shape, spacing, classes, files }: Sidecar): Promise<StoredCase> {
  const locations = classes.map((entry) => entry.locations);
  return { id, shape, spacing, locations: locations.map(({ length }) => length), locationsXxh64: await xxh64(...locations), files };
}
