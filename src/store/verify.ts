import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, StoreError, VoxfeedError } from '../common/errors.ts';
import { type Checksum, Digest, hasher } from '../common/hash.ts';
import { caseFiles, INDEX_FILE } from './file-names.ts';
import { decodeSidecar, type StoredFile, sidecarChecksum } from './sidecar.ts';
import { indexChecksum, parseIndex, type StoredCase } from './store-index.ts';

/** What is wrong with one file of a store. */
export interface Damage {
  path: string;
  what: string;
}

/** What a run of `verifyStore` found. */
export interface VerifyReport {
  dir: string;
  cases: number;
  /** How many files were looked at, the index included. */
  files: number;
  /** Missing or damaged; none if the store is whole. */
  damaged: Damage[];
}

const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Reads every file of a store and compares it with what was written.
 * @returns all missing and damaged files, in the order of the cases; none if the store is whole
 * @throws StoreError if there is no index that says what should be there
 */
export async function verifyStore(dir: string, onProgress: (done: number, total: number) => void = () => {}): Promise<VerifyReport> {
  const path = join(dir, INDEX_FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw fileError(path, error);
    throw new StoreError(
      dir,
      `it is not a finished voxfeed store (no ${INDEX_FILE})`,
      'Run `voxfeed preprocess` again; it continues where it stopped',
    );
  });
  const index = parseIndex(path, text);
  const checksum = await hasher();
  const damaged: Damage[] = [];
  if (indexChecksum(checksum, index) !== index.xxh64) damaged.push({ path, what: 'its contents do not match its checksum' });
  const beside = Object.entries(index.files);
  for (const [name, expected] of beside) damaged.push(...(await checkFile(join(dir, name), expected)));
  for (const [done, entry] of index.cases.entries()) {
    onProgress(done, index.cases.length);
    const paths = caseFiles(dir, entry.id, index.arrays);
    damaged.push(
      ...(await checkFile(paths.data, entry.files.data)),
      ...(await checkFile(paths.segmentation, entry.files.segmentation)),
      ...(await checkSidecar(checksum, paths.sidecar, entry)),
    );
  }
  onProgress(index.cases.length, index.cases.length);
  return { dir, cases: index.cases.length, files: 1 + beside.length + 3 * index.cases.length, damaged };
}

async function checkFile(path: string, expected: StoredFile): Promise<Damage[]> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size !== expected.bytes) return [{ path, what: `it holds ${size} bytes instead of ${expected.bytes}` }];
    const digest = await Digest.create();
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(size, 1)));
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) break;
      digest.update(chunk.subarray(0, bytesRead));
      at += bytesRead;
    }
    return digest.hex() === expected.xxh64 ? [] : [{ path, what: 'its contents are not what was written' }];
  } catch (error) {
    return [unreadable(path, error)];
  }
}

async function checkSidecar(checksum: Checksum, path: string, entry: StoredCase): Promise<Damage[]> {
  try {
    const sidecar = decodeSidecar(path, await readFile(path));
    const locations = checksum(...sidecar.classes.map((found) => found.locations));
    if (sidecarChecksum(checksum, sidecar) !== sidecar.xxh64) return [{ path, what: 'its contents do not match its checksum' }];
    if (sidecar.id !== entry.id || locations !== entry.locationsXxh64)
      return [{ path, what: `it is not the one that ${INDEX_FILE} lists` }];
    return [];
  } catch (error) {
    return [unreadable(path, error)];
  }
}

function unreadable(path: string, error: unknown): Damage {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { path, what: 'the file is missing' };
  const known = fileError(path, error);
  return { path, what: known instanceof VoxfeedError ? known.what : known.message };
}
