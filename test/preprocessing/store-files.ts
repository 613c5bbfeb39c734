import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface StoredArray {
  dtype: string;
  shape: number[];
  data: number[];
}

const TYPES: Record<string, new (buffer: ArrayBuffer) => ArrayLike<number> & Iterable<number>> = {
  '<f4': Float32Array,
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

/** Every file of a folder with its contents, by name; empty where there is no folder. */
export function contents(dir: string): Record<string, string> {
  if (!existsSync(dir)) return {};
  const names = readdirSync(dir).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name), 'base64')]));
}

/** Which file stands under each name: a file that is written anew has another number or time, even with the same contents. */
export function identities(dir: string): Record<string, string> {
  const entries = readdirSync(dir).map((name) => {
    const { ino, mtimeMs } = statSync(join(dir, name));
    return [name, `${ino} ${mtimeMs}`];
  });
  return Object.fromEntries(entries);
}
