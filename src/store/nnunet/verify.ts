import { join, resolve } from 'node:path';
import { showVoxel, type Triple } from '../../common/geometry.ts';
import { type Checksum, hasher } from '../../common/hash.ts';
import type { DataMeaning } from '../../raw/dataset-json.ts';
import { OUTSIDE } from '../../raw/labels.ts';
import type { ClassLocations } from '../class-locations.ts';
import { type Damage, unreadable, type VerifyReport } from '../damage.ts';
import { digestFile } from '../digest-file.ts';
import { caseFiles } from '../file-names.ts';
import { readArray, readSegmentation } from '../whole-array.ts';
import { cacheFolder, keepChecksums, readChecksums } from './cache.ts';
import { readNnunetCase } from './case.ts';
import { type NnunetCases, namesOf, readCommon } from './folder.ts';
import type { Grid } from './properties.ts';

/**
 * Decodes every voxel of nnU-Net's folder and looks whether labels, class locations and dataset.json agree. Files have no checksums of
 * their own: those of the first time are kept beside the folder, and compared from then on.
 */
export async function verifyNnunetFolder(
  dir: string,
  { ids, format }: NnunetCases,
  onProgress: (done: number, total: number) => void,
): Promise<VerifyReport> {
  const checksum = await hasher();
  const { meaning, configuration } = await readCommon(dir);
  const cache = cacheFolder(resolve(dir));
  const before = await readChecksums(cache, checksum);
  const now = new Map(before);
  const damaged: Damage[] = [];
  let files = 0;
  for (const [done, id] of ids.entries()) {
    onProgress(done, ids.length);
    const found = checkCase(dir, id, format, { ...meaning, ...configuration }, checksum);
    for (const name of [...namesOf([id], format), `${id}.pkl`]) {
      files++;
      const path = join(dir, name);
      const written = await digestFile(path).catch((error) => unreadable(path, error));
      if ('what' in written) found.push(written);
      else if (before.has(name) && before.get(name) !== written.xxh64) found.push({ path, what: CHANGED });
      // What is damaged now is not to be taken for right later.
      else if (!found.some((damage) => damage.path === path)) now.set(name, written.xxh64);
    }
    damaged.push(...found.filter(({ path, what }, i) => found.findIndex((other) => other.path === path && other.what === what) === i));
  }
  onProgress(ids.length, ids.length);
  const unknown = now.size - before.size;
  if (unknown > 0) await keepChecksums(cache, now, checksum);
  return { dir, cases: ids.length, files, damaged, unknown };
}

const CHANGED = 'its contents are not what they were when it was first verified';

function checkCase(dir: string, id: string, format: NnunetCases['format'], about: DataMeaning & Grid, checksum: Checksum): Damage[] {
  const paths = caseFiles(dir, id, format);
  const damaged: Damage[] = [];
  const attempt = <T>(path: string, read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      damaged.push(unreadable(path, error));
      return null;
    }
  };
  const image = attempt(paths.data, () => readArray(paths.data, format, 'data').data);
  const segmentation = attempt(paths.segmentation, () => readSegmentation(paths.segmentation, format));
  const sidecar = attempt(join(dir, `${id}.pkl`), () => readNnunetCase(dir, id, format, about, [], checksum).sidecar);
  if (sidecar === null) return damaged;
  const { shape, classes } = sidecar;
  if (image !== null) damaged.push(...checkImage(paths.data, image, shape));
  if (segmentation !== null) damaged.push(...checkLabels(paths.segmentation, segmentation, about, shape));
  if (segmentation !== null) damaged.push(...checkLocations(join(dir, `${id}.pkl`), segmentation, classes, shape));
  return damaged;
}

function checkImage(path: string, image: ArrayLike<number>, shape: Triple): Damage[] {
  for (let i = 0; i < image.length; i++)
    if (!Number.isFinite(image[i])) return [{ path, what: `${showVoxel(i % (shape[0] * shape[1] * shape[2]), shape)} is ${image[i]}` }];
  return [];
}

function checkLabels(path: string, segmentation: ArrayLike<number>, { labels }: DataMeaning, shape: Triple): Damage[] {
  const known = new Set([OUTSIDE, ...labels.values, ...(labels.ignore === null ? [] : [labels.ignore])]);
  let last = 0;
  for (let i = 0; i < segmentation.length; i++) {
    if (segmentation[i] === last) continue;
    last = segmentation[i];
    if (!known.has(last)) return [{ path, what: `${showVoxel(i, shape)} has the label ${last}, which dataset.json does not name` }];
  }
  return [];
}

function checkLocations(path: string, segmentation: ArrayLike<number>, classes: readonly ClassLocations[], shape: Triple): Damage[] {
  for (const { labels, locations } of classes) {
    const wrong = locations.find((location) => !labels.includes(segmentation[location]));
    if (wrong !== undefined)
      return [
        { path, what: `"class_locations" of ${labels.join(', ')} has ${showVoxel(wrong, shape)}, whose label is ${segmentation[wrong]}` },
      ];
  }
  return [];
}
