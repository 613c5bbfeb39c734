import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatasetError } from '../common/errors.ts';
import { type Checksum, hasher } from '../common/hash.ts';
import { checkPath } from '../common/names.ts';
import { type Damage, unreadable, type VerifyReport } from './damage.ts';
import { digestFile } from './digest-file.ts';
import { caseFiles, INDEX_FILE, SPLITS_FILE } from './file-names.ts';
import { someNnunetCases } from './nnunet/folder.ts';
import { verifyNnunetFolder } from './nnunet/verify.ts';
import { type IndexFile, parseIndex } from './parse-index.ts';
import { decodeSidecar, type StoredFile } from './sidecar.ts';
import { overlapsOf, readSplits } from './splits.ts';
import { indexChecksum, isListed, readIndex } from './store-index.ts';

/**
 * Reads every file of a store and compares it with what was written. Of nnU-Net's folder, every voxel is decoded, labels and class
 * locations are held against each other and against dataset.json, and files against what they were when they were verified first.
 * @returns all missing and damaged files, in the order of the cases; none if the store is whole
 * @throws StoreError if there is nothing that says what should be there
 */
export async function verifyStore(dir: string, onProgress: (done: number, total: number) => void = () => {}): Promise<VerifyReport> {
  checkPath('dir', dir);
  const path = join(dir, INDEX_FILE);
  const text = await readIndex(path);
  if (text === null) return verifyNnunetFolder(dir, await someNnunetCases(dir), onProgress);
  const index = parseIndex(path, text);
  const checksum = await hasher();
  const damaged: Damage[] = [];
  if (indexChecksum(checksum, index) !== index.xxh64) damaged.push({ path, what: 'its contents do not match its checksum' });
  const beside = Object.entries(index.files);
  const edited: Damage[] = [];
  for (const [name, expected] of beside) {
    const found = await checkFile(join(dir, name), expected);
    const changed = name === SPLITS_FILE && found.length > 0 ? await lookAtSplits(dir, index.cases) : null;
    damaged.push(...(changed?.damaged ?? found));
    edited.push(...(changed?.edited ?? []));
  }
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
  return {
    dir,
    cases: index.cases.length,
    files: 1 + beside.length + 3 * index.cases.length,
    damaged,
    ...(edited.length > 0 && { edited }),
  };
}

async function checkFile(path: string, expected: StoredFile): Promise<Damage[]> {
  try {
    // Sizes first: what is cut off need not be read.
    const { size } = await stat(path);
    if (size !== expected.bytes) return [{ path, what: `it holds ${size} bytes instead of ${expected.bytes}` }];
    const { xxh64 } = await digestFile(path);
    return xxh64 === expected.xxh64 ? [] : [{ path, what: 'its contents are not what was written' }];
  } catch (error) {
    return [unreadable(path, error)];
  }
}

/** Folds that are not those that were written are the user's own, unless they cannot be used; null where there is no such file. */
async function lookAtSplits(dir: string, cases: IndexFile['cases']): Promise<{ damaged: Damage[]; edited: Damage[] } | null> {
  const path = join(dir, SPLITS_FILE);
  try {
    const splits = await readSplits(
      dir,
      cases.map(({ id }) => id),
    );
    if (splits === null) return null;
    const notes = overlapsOf('it was edited', splits);
    return { damaged: [], edited: [{ path, what: notes[0] ?? `it was edited, and can be used` }] };
  } catch (error) {
    if (!(error instanceof DatasetError)) return { damaged: [unreadable(path, error)], edited: [] };
    return { damaged: [{ path, what: `it was edited, and cannot be used: ${error.what}` }], edited: [] };
  }
}

async function checkSidecar(checksum: Checksum, path: string, entry: IndexFile['cases'][number]): Promise<Damage[]> {
  try {
    const sidecar = decodeSidecar(path, await readFile(path), checksum);
    return isListed(checksum, sidecar, entry) ? [] : [{ path, what: `it is not the one that ${INDEX_FILE} lists` }];
  } catch (error) {
    return [unreadable(path, error)];
  }
}
