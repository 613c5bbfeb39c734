import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface StoredArray {
  dtype: string;
  shape: number[];
  data: number[];
}

const TYPES: Record<string, new (buffer: ArrayBuffer) => ArrayLike<number> & Iterable<number>> = {
  '<f4': Float32Array,
  '<f2': Float16Array,
  '<i2': Int16Array,
  '|i1': Int8Array,
};

/** A reader apart from the product's. */
export function readNpy(dir: string, name: string): StoredArray {
  const bytes = readFileSync(join(dir, name));
  const start = 10 + bytes.readUInt16LE(8);
  const [, dtype, sizes] = /'descr': '([^']+)'.*'shape': \(([^)]*)\)/.exec(bytes.toString('latin1', 10, start)) as RegExpExecArray;
  const shape = sizes.split(', ').map(Number);
  return { dtype, shape, data: [...new TYPES[dtype](Uint8Array.from(bytes.subarray(start)).buffer)] };
}

/** The names of all files of a folder and of the folders in it. */
export function fileNames(dir: string): string[] {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

/** Every file of a folder with a digest of its contents, by name; empty where there is no folder. */
export function contents(dir: string): Record<string, string> {
  if (!existsSync(dir)) return {};
  return Object.fromEntries(
    fileNames(dir).map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(dir, name)))
        .digest('hex'),
    ]),
  );
}

/** Which file stands under each name: a file that is written anew has another number or time, even with the same contents. */
export function identities(dir: string): Record<string, string> {
  const entries = fileNames(dir).map((name) => {
    const { ino, mtimeMs } = statSync(join(dir, name));
    return [name, `${ino} ${mtimeMs}`];
  });
  return Object.fromEntries(entries);
}

/** What planning leaves in a folder: the fingerprints of these cases, and what was made of them. */
export function planFiles(ids: readonly string[]): string[] {
  return ['dataset.json', 'dataset_fingerprint.json', 'nnUNetPlans.json', ...ids.map((id) => join('fingerprint_cache', `${id}.msgpack`))];
}
