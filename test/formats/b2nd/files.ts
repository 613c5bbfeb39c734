import { readFileSync } from 'node:fs';
import { voxels } from '../../../src/common/geometry.ts';

/** A file that `bench/interop/b2nd_fixtures.py` wrote. */
export interface KnownFile {
  name: string;
  path: string;
  shape: number[];
  chunk: number[];
  block: number[];
  dtype: string;
  rule: 'plain' | 'sparse' | 'random' | 'zeros' | 'nan' | 'repeated';
  /** Words of the error that it is refused with. */
  refused?: string;
}

const FOLDER = new URL('files/', import.meta.url);
const manifest: Record<string, Omit<KnownFile, 'name' | 'path'>> = JSON.parse(readFileSync(new URL('manifest.json', FOLDER), 'utf8'));

export const FILES: KnownFile[] = Object.entries(manifest).map(([name, entry]) => ({
  name,
  path: new URL(`${name}.b2nd`, FOLDER).pathname,
  ...entry,
}));

const ARRAYS = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '<f2': Float16Array,
  '<i2': Int16Array,
  '|i1': Int8Array,
  '|u1': Uint8Array,
};

/** What a file holds: the rules of the script that wrote it. */
export function voxelsOf({ shape, dtype, rule }: KnownFile): InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]> {
  const width = shape[shape.length - 1];
  const plain = (i: number): number => (Math.floor(i / 19) % 97) + (i % 41 === 0 ? (i * i) % 31 : 0) + (dtype === '|u1' ? 100 : -3);
  const random = (i: number): number => {
    const mixed = Math.imul(i, 2654435761);
    return Math.imul(mixed ^ (mixed >>> 15), 2246822519);
  };
  const rules = {
    plain,
    sparse: (i: number) => (i % width < width - 4 ? 0 : plain(i)),
    random,
    zeros: () => 0,
    nan: () => Number.NaN,
    repeated: () => 3.5,
  };
  return new ARRAYS[dtype as keyof typeof ARRAYS](voxels(shape)).map((_: number, i: number) => rules[rule](i)) as never;
}
