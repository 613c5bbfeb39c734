import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Packr } from 'msgpackr/pack';
import { writeAtomic } from '../common/atomic-file.ts';
import { ifThere } from '../common/files.ts';
import { xxh64 } from '../common/hash.ts';
import type { CaseFingerprint } from '../planning/fingerprint.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { SourceFile } from '../store/sidecar.ts';
import { sameSources, statSources } from './sources.ts';

/** The folder beside the plans that lets an interrupted fingerprint go on: one small file a case. */
export const FINGERPRINT_CACHE = 'fingerprint_cache';

interface CacheFile {
  format: 'voxfeed-fingerprint';
  version: 3;
  /** A packed `CachedFingerprint`, and its hash: plans that follow from a damaged one would look like any others. */
  content: Uint8Array;
  xxh64: string;
}

interface FoundFingerprint {
  fingerprint: CaseFingerprint;
  /** What is odd about the files, for the user to read. */
  notes: string[];
}

interface CachedFingerprint extends Omit<FoundFingerprint, 'fingerprint'> {
  /** Of everything besides the files that the fingerprint depends on. */
  settings: string;
  sources: SourceFile[];
  fingerprint: Omit<CaseFingerprint, 'foreground'> & { foreground: { values: Uint8Array; counts: Uint8Array }[] };
}

const packr = new Packr({ useRecords: false });

/** @param found `sources` as they were before the case was read */
export async function writeFingerprint(
  cacheDir: string,
  raw: RawCase,
  { settings, sources, fingerprint, notes }: FoundFingerprint & Pick<CachedFingerprint, 'settings' | 'sources'>,
): Promise<void> {
  const foreground = fingerprint.foreground.map(({ values, counts }) => ({ values: asBytes(values), counts: asBytes(counts) }));
  const cached: CachedFingerprint = { settings, sources, fingerprint: { ...fingerprint, foreground }, notes };
  const content = packr.pack(cached);
  const file: CacheFile = { format: 'voxfeed-fingerprint', version: 3, content, xxh64: await xxh64(content) };
  await writeAtomic(cacheFile(cacheDir, raw), [packr.pack(file)]);
}

/** null if there is none, or one that is damaged, or made from other files or settings: it is to be made again then. */
export async function readFingerprint(cacheDir: string, raw: RawCase, settings: string): Promise<FoundFingerprint | null> {
  const path = cacheFile(cacheDir, raw);
  const bytes = await ifThere(path, readFile(path));
  if (bytes === null) return null;
  const sources = await statSources(raw);
  try {
    const file: CacheFile = packr.unpack(bytes);
    if (file.format !== 'voxfeed-fingerprint' || file.version !== 3 || (await xxh64(file.content)) !== file.xxh64) return null;
    const cached: CachedFingerprint = packr.unpack(file.content);
    if (cached.settings !== settings) return null;
    if (!sameSources(cached.sources, sources)) return null;
    const foreground = cached.fingerprint.foreground.map(({ values, counts }) => ({
      values: new Float32Array(copy(values)),
      counts: new Uint32Array(copy(counts)),
    }));
    return { fingerprint: { ...cached.fingerprint, foreground }, notes: cached.notes };
  } catch {
    return null;
  }
}

function cacheFile(cacheDir: string, { id }: RawCase): string {
  return join(cacheDir, `${id}.msgpack`);
}

function asBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Unpacked bytes may begin at any address. */
function copy(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
