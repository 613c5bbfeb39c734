import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { hasher } from '../common/hash.ts';
import { COUNTS_FILE, INDEX_FILE } from '../store/file-names.ts';
import { meanCoverages } from '../store/mean-coverage.ts';
import type { IndexFile } from '../store/parse-index.ts';
import { contentHash, indexChecksum, type ListedCase, type StoreIndex } from '../store/store-index.ts';
import { writeBytes, writeText } from './output-folder.ts';

/** What is known of a store when its cases are written. */
export interface IndexContent extends Omit<StoreIndex, 'format' | 'version' | 'hash' | 'coverage' | 'cases' | 'xxh64'> {
  cases: readonly ListedCase[];
}

/** Writes the index of a store, last of all, and beside it how many class locations its cases have. @throws FileError */
export async function writeIndex(dir: string, { cases, files, ...rest }: IndexContent): Promise<void> {
  const checksum = await hasher();
  const about = { format: 'voxfeed-store', version: 3, ...rest } as const;
  const counts = await writeCounts(dir, cases);
  const listed = cases.map(({ locations: _, coverage: __, ...entry }) => entry);
  const index: Omit<IndexFile, 'xxh64'> = {
    ...about,
    hash: contentHash(checksum, { ...about, cases: [...cases], files, coverage: [], xxh64: '' }),
    coverage: meanCoverages(cases),
    cases: listed,
    files: { ...files, [COUNTS_FILE]: counts },
  };
  await writeText(join(dir, INDEX_FILE), `${JSON.stringify({ ...index, xxh64: indexChecksum(checksum, index) }, null, 1)}\n`);
}

async function writeCounts(dir: string, cases: readonly ListedCase[]): Promise<StoreIndex['files'][string]> {
  const path = join(dir, COUNTS_FILE);
  const counts = Buffer.concat(
    cases.map(({ locations: { buffer, byteOffset, byteLength } }) => new Uint8Array(buffer, byteOffset, byteLength)),
  );
  const before = await ifThere(path, readFile(path));
  // An index must not stand beside those of other cases.
  const index = join(dir, INDEX_FILE);
  if (before !== null && !before.equals(counts))
    await rm(index, { force: true }).catch((error) => {
      throw fileError(index, error);
    });
  return writeBytes(path, counts);
}
