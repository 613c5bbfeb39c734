import { access, constants, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { FileError, fileError, StoreError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { xxh64 } from '../common/hash.ts';
import type { RawDataset } from '../raw/raw-dataset.ts';
import { refuseRawFolder } from '../raw/raw-folder.ts';
import { INDEX_FILE } from '../store/file-names.ts';
import { refuseNnunetFolder } from '../store/nnunet/folder.ts';
import type { StoredFile } from '../store/sidecar.ts';

/**
 * Refuses at once what would only be found out after every case was read.
 * @throws FileError for a file in the folder's place, StoreError for the store of another data set or a folder of nnU-Net's.
 */
export async function checkFolder(outDir: string, { name, dir }: RawDataset): Promise<void> {
  await refuseRawFolder(outDir);
  // Its files may lie elsewhere.
  if (resolve(dir) === resolve(outDir))
    throw new FileError(outDir, 'it belongs to the raw data set', 'Choose another folder for what is made from it');
  const found = await ifThere(outDir, stat(outDir));
  if (found === null) return;
  if (!found.isDirectory()) throw new FileError(outDir, 'it is a file', 'Give a folder, or the path of one to be made');
  await access(outDir, constants.W_OK).catch((error) => {
    throw fileError(outDir, error);
  });
  await refuseNnunetFolder(outDir);
  const other = nameIn(await ifThere(join(outDir, INDEX_FILE), readFile(join(outDir, INDEX_FILE), 'utf8')));
  if (other !== undefined && other !== name) {
    throw new StoreError(
      outDir,
      `it holds the store of another data set, ${JSON.stringify(other)}`,
      'Choose another folder, or empty this one',
    );
  }
}

/** Of the data set, where an index says it. */
function nameIn(index: string | null): unknown {
  try {
    return index === null ? undefined : JSON.parse(index).name;
  } catch {
    // A damaged one is written anew.
    return undefined;
  }
}

/** Writes a JSON file unless it stands there already, letter for letter. */
export async function writeJson(path: string, content: unknown): Promise<StoredFile> {
  return writeText(path, `${JSON.stringify(content, null, 2)}\n`);
}

export function writeText(path: string, text: string): Promise<StoredFile> {
  return writeBytes(path, Buffer.from(text));
}

export async function writeBytes(path: string, bytes: Buffer): Promise<StoredFile> {
  const before = await ifThere(path, readFile(path));
  if (before === null || !before.equals(bytes)) await writeAtomic(path, [bytes]);
  return { bytes: bytes.length, xxh64: await xxh64(bytes) };
}
