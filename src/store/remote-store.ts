import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { FileError, StoreError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { makeFolders } from '../common/folders.ts';
import type { Checksum } from '../common/hash.ts';
import { isAddress } from '../common/names.ts';
import { userCache } from '../common/user-cache.ts';
import { downloadText, PATIENT, type Patience } from '../remote/download.ts';
import { checkedAddress, openOrigin } from '../remote/open-origin.ts';
import { isMissing, type Origin, PassingError, UPLOAD } from '../remote/origin.ts';
import { checkedIndex, completeIndex } from './complete-index.ts';
import { digestFile } from './digest-file.ts';
import { INDEX_FILE, SPLITS_FILE } from './file-names.ts';
import { parseIndex } from './parse-index.ts';
import type { StoreIndex } from './store-index.ts';

/** What lies beside the cases of a store at an address, here. */
export interface RemoteStore {
  /** As it is compared and shown: without a / at the end. */
  address: string;
  index: StoreIndex;
  /** The folder with its JSON files. */
  aboutDir: string;
}

const UNKNOWN = { bytes: null, xxh64: null };
/** What helps against any error of the folder that JSON files are kept in. */
const MOVE_CACHE = 'Set XDG_CACHE_HOME to a folder that can be written: JSON files of stores at addresses are kept there';
/** What helps against damage of those files. */
const REACH = 'Open the store once while it can be reached: what is damaged here comes anew';
/** Where there is something to go on with, nobody waits for long. */
const HASTY: Patience = { ...PATIENT, tries: 2 };

/**
 * Reads the index of a store at an address, and brings its JSON files (plans, folds, dataset.json) into the user's cache. Where nobody
 * answers, those that were brought before are good enough.
 * @throws StoreError, FileError naming the address, or the user's cache where that cannot be written; OptionError
 */
export async function openRemoteStore(text: string, checksum: Checksum): Promise<RemoteStore> {
  const address = checkedAddress(text);
  const origin = await openOrigin(address);
  const name = address.replace(/^.*?:\/\//, '').replace(/[^\w.-]+/g, '-');
  const aboutDir = join(userCache(), 'stores', `${name.slice(-100)}-${checksum(address)}`);
  try {
    return await bring(address, origin, aboutDir, checksum);
  } catch (error) {
    throw error instanceof FileError && !isAddress(error.where)
      ? new FileError(error.where, error.what, MOVE_CACHE, { cause: error.cause })
      : error;
  }
}

async function bring(address: string, origin: Origin, aboutDir: string, checksum: Checksum): Promise<RemoteStore> {
  const path = join(aboutDir, INDEX_FILE);
  const kept = await ifThere(path, readFile(path, 'utf8'));
  try {
    const text = await indexText(address, origin, kept === null ? PATIENT : HASTY);
    const place = origin.place(INDEX_FILE);
    const file = checkedIndex(place, text, checksum, UPLOAD);
    await makeFolders(aboutDir);
    await mirror(origin, aboutDir, file);
    // Last: then the others are there.
    if (text !== kept) await writeAtomic(path, [Buffer.from(text)]);
    return { address, index: await completeIndex(file, aboutDir, checksum, UPLOAD), aboutDir };
  } catch (error) {
    if (kept === null || !isSilence(error)) throw error;
    process.emitWarning(
      `${(error as FileError).where}: ${(error as FileError).what}. What is known of the store is used.`,
      'VoxfeedWarning',
    );
    return { address, index: await completeIndex(checkedIndex(path, kept, checksum, REACH), aboutDir, checksum, REACH), aboutDir };
  }
}

/** @throws StoreError where there is none, or a page in its place, as servers have them for whatever is not there */
async function indexText(address: string, origin: Origin, patience: Patience): Promise<string> {
  const none = (why: string, cause?: unknown): StoreError =>
    new StoreError(address, `there is no store at this address: ${why}`, `Give that of the folder that holds ${INDEX_FILE}`, { cause });
  let text: string;
  try {
    text = (await get(origin, INDEX_FILE, UNKNOWN, patience)).toString();
  } catch (error) {
    throw isMissing(error) ? none(`${INDEX_FILE}: ${error.what}`, error) : error;
  }
  if (!text.trimStart().startsWith('{')) throw none(`what comes as ${INDEX_FILE} is something else`);
  return text;
}

/** Whether a store is still the one that was opened. @throws StoreError if it is not, FileError */
export async function refuseChanged(origin: Origin, { xxh64 }: Pick<StoreIndex, 'xxh64'>, signal: AbortSignal): Promise<void> {
  const path = origin.place(INDEX_FILE);
  const index = parseIndex(path, (await downloadText(origin, INDEX_FILE, UNKNOWN, signal)).toString(), UPLOAD);
  if (index.xxh64 !== xxh64)
    throw new StoreError(path, 'the store was changed since it was opened', 'Open it again: a changed store gives another stream');
}

/** Nobody answered, or only to say that they are busy. */
function isSilence(error: unknown): boolean {
  return error instanceof FileError && error.cause instanceof PassingError;
}

function get(origin: Origin, name: string, expected: { bytes: number | null; xxh64: string | null }, patience?: Patience): Promise<Buffer> {
  return downloadText(origin, name, expected, new AbortController().signal, patience);
}

/** Folds may be the user's own: whatever they are now. Others are those that the index lists. */
async function mirror(origin: Origin, dir: string, { files }: Pick<StoreIndex, 'files'>): Promise<void> {
  for (const [name, expected] of Object.entries(files)) {
    const path = join(dir, name);
    if (name === SPLITS_FILE || (await ifThere(path, digestFile(path)))?.xxh64 === expected.xxh64) continue;
    await writeAtomic(path, [await get(origin, name, expected)]);
  }
  const splits = await get(origin, SPLITS_FILE, UNKNOWN).catch((error) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (splits === null) await rm(join(dir, SPLITS_FILE), { force: true });
  else await writeAtomic(join(dir, SPLITS_FILE), [splits]);
}
