import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeAtomic } from '../../common/atomic-file.ts';
import { FileError, fileError } from '../../common/errors.ts';
import { ifThere } from '../../common/files.ts';
import { makeFolders } from '../../common/folders.ts';
import type { Checksum } from '../../common/hash.ts';
import type { LargestBlock } from '../../formats/b2nd/head.ts';
import { fileNames } from '../file-names.ts';
import { encodeSidecar, type Sidecar, type SourceFile } from '../sidecar.ts';
import type { StoredCase, StoreIndex } from '../store-index.ts';

/** A case as the cache lists it, with the files it was made from. */
export interface CachedCase extends StoredCase {
  labelDtype: StoreIndex['labelDtype'];
  /** The largest block of its .b2nd files. */
  block: LargestBlock | null;
  sources: SourceFile[];
}

interface CacheIndex {
  format: 'voxfeed-cache';
  version: 1;
  /** Of what the cases were read by: channels, labels, grid. */
  meaning: string;
  cases: (Omit<CachedCase, 'locations'> & { locations: number[] })[];
  /** Of all the rest. */
  xxh64: string;
}

const CACHE_FOLDER = 'voxfeed_cache';
const CACHE_INDEX = 'cases.json';
const CHECKSUMS = 'checksums.json';

/** Where what is kept of nnU-Net's folder lies: beside it, never in it. */
export function cacheFolder(dir: string): string {
  return join(dirname(dir), CACHE_FOLDER, basename(dir));
}

/** What was kept of a folder, by id; nothing where it cannot be read, is damaged, or was read by other labels. */
export async function readCache(cache: string, meaning: string, checksum: Checksum): Promise<Map<string, CachedCase>> {
  const index: CacheIndex | null = await readFile(join(cache, CACHE_INDEX), 'utf8')
    .then(JSON.parse)
    .catch(() => null);
  if (index?.format !== 'voxfeed-cache' || index.version !== 1 || index.meaning !== meaning) return new Map();
  if (checksumOf(checksum, index) !== index.xxh64) return new Map();
  return new Map(index.cases.map((entry) => [entry.id, { ...entry, locations: Uint32Array.from(entry.locations) }]));
}

/** Keeps the sidecar of a case. @returns whether it could be written: disks may be full, folders read-only */
export function keepSidecar(cache: string, sidecar: Sidecar, checksum: Checksum): Promise<boolean> {
  return keep(cache, fileNames(sidecar.id).sidecar, encodeSidecar(sidecar, checksum));
}

/** Keeps the list of cases, last: what it lists is whole. */
export async function keepIndex(cache: string, meaning: string, cases: CachedCase[], checksum: Checksum): Promise<void> {
  const listed = cases.map((entry) => ({ ...entry, locations: [...entry.locations] }));
  const rest = { format: 'voxfeed-cache', version: 1, meaning, cases: listed } as const;
  await keep(cache, CACHE_INDEX, { ...rest, xxh64: checksumOf(checksum, rest) });
}

interface KeptChecksums {
  format: 'voxfeed-checksums';
  /** xxHash64 of each file of nnU-Net's folder, by name, as it was when it was first verified. */
  files: Record<string, string>;
  /** Of all the rest. */
  xxh64: string;
}

/** What files were when they were verified; nothing where that is not known. @throws FileError where it is, and cannot be read */
export async function readChecksums(cache: string, checksum: Checksum): Promise<Map<string, string>> {
  const path = join(cache, CHECKSUMS);
  const kept = parseKept((await ifThere(path, readFile(path, 'utf8'))) ?? 'null');
  if (kept?.format !== 'voxfeed-checksums' || checksumOf(checksum, kept) !== kept.xxh64) return new Map();
  return new Map(Object.entries(kept.files));
}

function parseKept(text: string): KeptChecksums | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export async function keepChecksums(cache: string, files: ReadonlyMap<string, string>, checksum: Checksum): Promise<void> {
  const rest = { format: 'voxfeed-checksums', files: Object.fromEntries(files) } as const;
  await keep(cache, CHECKSUMS, { ...rest, xxh64: checksumOf(checksum, rest) });
}

async function keep(cache: string, name: string, content: object | Buffer): Promise<boolean> {
  try {
    await makeFolders(cache);
    // Ranks of one training may all write it, the same.
    await writeAtomic(join(cache, name), [Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))]);
    return true;
  } catch (error) {
    if (fileError(cache, error) instanceof FileError) return false;
    throw error;
  }
}

function checksumOf(checksum: Checksum, { xxh64: _, ...rest }: object & { xxh64?: string }): string {
  return checksum(JSON.stringify(rest));
}
