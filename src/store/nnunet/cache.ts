import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomic } from '../../common/atomic-file.ts';
import { VoxfeedError } from '../../common/errors.ts';
import type { Checksum } from '../../common/hash.ts';
import { caseFiles } from '../file-names.ts';
import { encodeSidecar, type Sidecar, type SourceFile } from '../sidecar.ts';
import type { StoredCase, StoreIndex } from '../store-index.ts';

/** A case as the cache lists it, with the files it was made from. */
export interface CachedCase extends StoredCase {
  labelDtype: StoreIndex['labelDtype'];
  sources: SourceFile[];
}

interface CacheIndex {
  format: 'voxfeed-cache';
  version: 1;
  /** Of what the cases were read by: channels, labels, grid. */
  meaning: string;
  cases: CachedCase[];
  /** Of all the rest. */
  xxh64: string;
}

const CACHE_FOLDER = 'voxfeed_cache';
const CACHE_INDEX = 'cases.json';

/** Where what is kept of nnU-Net's folder lies: beside it, never in it. */
export function cacheFolder(dir: string): string {
  return join(dirname(dir), CACHE_FOLDER, dir.slice(dirname(dir).length + 1));
}

/** What was kept of a folder, by id; nothing where it cannot be read, is damaged, or was read by other labels. */
export async function readCache(cache: string, meaning: string, checksum: Checksum): Promise<Map<string, CachedCase>> {
  const index: CacheIndex | null = await readFile(join(cache, CACHE_INDEX), 'utf8')
    .then(JSON.parse)
    .catch(() => null);
  if (index?.format !== 'voxfeed-cache' || index.version !== 1 || index.meaning !== meaning) return new Map();
  if (checksumOf(checksum, index) !== index.xxh64) return new Map();
  return new Map(index.cases.map((entry) => [entry.id, entry]));
}

/** Keeps the sidecar of a case. @returns whether it could be written: disks may be full, folders read-only */
export async function keepSidecar(cache: string, sidecar: Sidecar): Promise<boolean> {
  return kept(async () => {
    await mkdir(cache, { recursive: true });
    // Ranks of one training may all write it, the same.
    await writeAtomic(caseFiles(cache, sidecar.id).sidecar, [encodeSidecar(sidecar)], `.${process.pid}`);
  });
}

/** Keeps the list of cases, last: what it lists is whole. */
export async function keepIndex(cache: string, meaning: string, cases: CachedCase[], checksum: Checksum): Promise<void> {
  const rest = { format: 'voxfeed-cache', version: 1, meaning, cases } as const;
  const text = JSON.stringify({ ...rest, xxh64: checksumOf(checksum, rest) });
  await kept(() => writeAtomic(join(cache, CACHE_INDEX), [Buffer.from(text)], `.${process.pid}`));
}

async function kept(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof VoxfeedError || code?.startsWith('E')) return false;
    throw error;
  }
}

function checksumOf(checksum: Checksum, { xxh64: _, ...rest }: Omit<CacheIndex, 'xxh64'> & { xxh64?: string }): string {
  return checksum(JSON.stringify(rest));
}
