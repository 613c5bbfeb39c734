import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Checksum } from '../common/hash.ts';
import type { ClassLocations } from './class-locations.ts';

/** Of a checksum of the locations of a class: an xxHash64 as a little-endian number. */
export const CHECKSUM_BYTES = 8;

/** Of the locations of each class, as they stand before all locations at the end of a sidecar. */
export function checksumsOf(classes: readonly ClassLocations[], checksum: Checksum): Uint8Array {
  const sums = new DataView(new ArrayBuffer(CHECKSUM_BYTES * classes.length));
  for (const [i, { locations }] of classes.entries()) sums.setBigUint64(CHECKSUM_BYTES * i, BigInt(`0x${checksum(locations)}`), true);
  return new Uint8Array(sums.buffer);
}

/**
 * The locations of one class of a case, of which nothing else is read: a forced patch waits for them, and of 300 classes they may be
 * megabytes. The index vouches for the checksums of all classes, and these for the locations.
 * @returns null where they are not those of the index, or cannot be read: whoever reads the whole sidecar learns why
 */
export function readOneClass(
  path: string,
  { locations: counts, classesXxh64 }: { locations: ArrayLike<number>; classesXxh64?: string },
  classNumber: number,
  checksum: Checksum,
): Uint32Array | null {
  if (classesXxh64 === undefined) return null;
  let all = 0;
  let before = 0;
  for (let i = 0; i < counts.length; i++) {
    if (i === classNumber) before = all;
    all += counts[i];
  }
  const sums = new Uint8Array(CHECKSUM_BYTES * counts.length);
  const locations = new Uint32Array(counts[classNumber]);
  try {
    const file = openSync(path, 'r');
    try {
      const start = fstatSync(file).size - sums.length - 4 * all;
      readSync(file, sums, 0, sums.length, start);
      readSync(file, locations, 0, locations.byteLength, start + sums.length + 4 * before);
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
  const expected = new DataView(sums.buffer).getBigUint64(CHECKSUM_BYTES * classNumber, true);
  return checksum(sums) === classesXxh64 && BigInt(`0x${checksum(locations)}`) === expected ? locations : null;
}
