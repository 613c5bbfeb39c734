import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, StoreError } from '../common/errors.ts';
import { type Checksum, Digest } from '../common/hash.ts';
import { COUNTS_FILE } from './file-names.ts';
import { meanCoverages } from './mean-coverage.ts';
import { type IndexFile, type IndexFile2, parseIndex } from './parse-index.ts';
import { contentHash, indexChecksum, type StoredCase, type StoreIndex } from './store-index.ts';

/** Read and hashed at once: while they are in the processor's cache. */
const CHUNK_BYTES = 2 ** 20;

/**
 * The index of a store, as it was written.
 * @param action what to do about damage
 * @throws StoreError naming `path`
 */
export function checkedIndex(path: string, text: string, checksum: Checksum, action: string): IndexFile | IndexFile2 {
  const file = parseIndex(path, text, action);
  if (indexChecksum(checksum, file) === file.xxh64) return file;
  throw new StoreError(path, 'its contents do not match its checksum', action);
}

/** With what lies beside it in `dir`. Its cases are those of `file`, filled in. @throws StoreError, FileError */
export async function completeIndex(file: IndexFile | IndexFile2, dir: string, checksum: Checksum, action: string): Promise<StoreIndex> {
  if (file.version === 2) return completed(file, checksum);
  const { length } = file.labels.classes;
  const counts = await readCounts(join(dir, COUNTS_FILE), file, action);
  const cases = file.cases as StoredCase[];
  for (const [number, entry] of cases.entries()) entry.locations = counts.subarray(number * length, (number + 1) * length);
  return { ...file, cases };
}

/** How many locations each class of each case has: uint32 [cases, classes]. */
async function readCounts(path: string, { cases, labels, files }: IndexFile, action: string): Promise<Uint32Array> {
  const count = cases.length * labels.classes.length;
  const digest = await Digest.create();
  try {
    await using file = await open(path, 'r');
    const about = await file.stat();
    if (!about.isFile()) throw new StoreError(path, 'it is no file', `Remove it. ${action}`);
    const { size } = about;
    if (size !== 4 * count) throw new StoreError(path, `it holds ${size} bytes instead of ${4 * count}`, action);
    const counts = new Uint32Array(count);
    const bytes = new Uint8Array(counts.buffer);
    let at = 0;
    for (let read = -1; read !== 0; at += read) {
      read = (await file.read(bytes, at, Math.min(CHUNK_BYTES, size - at), at)).bytesRead;
      digest.update(bytes.subarray(at, at + read));
    }
    if (digest.hex() === files[COUNTS_FILE].xxh64) return counts;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new StoreError(path, 'the file is missing', action);
    throw fileError(path, error);
  }
  throw new StoreError(path, 'its contents are not those that the index lists', action);
}

/** What version 2 has of each case is found of all of them. */
function completed({ cases, ...rest }: IndexFile2, checksum: Checksum): StoreIndex {
  const listed = cases.map(({ coverage: _, locations, ...entry }): StoredCase => ({ ...entry, locations: Uint32Array.from(locations) }));
  const index = { ...rest, version: 3 as const, coverage: meanCoverages(cases), cases: listed };
  return { ...index, hash: contentHash(checksum, index) };
}
