import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';

/** Another folder of the same format may be given; see its README for the format. */
export const GOLDEN = resolve(process.env.VOXFEED_GOLDEN ?? join(import.meta.dirname, 'data'));

if (!existsSync(GOLDEN)) throw new Error(`there is no golden folder ${GOLDEN}: correct VOXFEED_GOLDEN or leave it out`);

export function has(path: string): boolean {
  return existsSync(join(GOLDEN, path));
}

// biome-ignore lint/suspicious/noExplicitAny: each golden file has a shape of its own, described in the folder's README
export function readJson(path: string): any {
  return JSON.parse(readFileSync(join(GOLDEN, path), 'utf8'));
}

export interface GoldenArray {
  shape: number[];
  data: Float32Array | Float64Array | Int16Array | Int8Array | Uint8Array;
}

const TYPES = { '<f4': Float32Array, '<f8': Float64Array, '<i2': Int16Array, '|i1': Int8Array, '|u1': Uint8Array };

/** A reader apart from the product's, which it is to test. */
export function readArray(path: string): GoldenArray {
  const bytes = readFileSync(join(GOLDEN, path));
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  const Type = TYPES[/'descr': '([^']+)'/.exec(header)?.[1] as keyof typeof TYPES];
  const [, sizes] = /'shape': \(([^)]*)\)/.exec(header) as RegExpExecArray;
  const shape = sizes
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  return { shape, data: new Type(Uint8Array.from(bytes.subarray(start)).buffer) };
}

export type Tolerance =
  | { kind: 'exact' }
  | { kind: 'allclose'; atol: number; rtol: number }
  | { kind: 'max_mismatch_fraction'; value: number };

export interface GoldenCase {
  name: string;
  transform: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters differ from transform to transform
  params: any;
  inputs: Record<string, string>;
  outputs: Record<string, string>;
  tolerance: Record<string, Tolerance>;
}

export function manifest(group: string): GoldenCase[] {
  return readJson(`${group}/manifest.json`).cases;
}

/** Compares voxel by voxel and names the first one that is off. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance): void {
  expect(actual.length).toBe(expected.length);
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i++) {
    const allowed = tolerance.kind === 'allclose' ? tolerance.atol + tolerance.rtol * Math.abs(expected[i]) : 0;
    if (Math.abs(actual[i] - expected[i]) <= allowed) continue;
    if (wrong++ === 0) first = i;
  }
  const allowed = tolerance.kind === 'max_mismatch_fraction' ? tolerance.value * expected.length : 0;
  if (wrong > allowed)
    expect.fail(`${wrong} of ${expected.length} voxels are off, the first at ${first}: ${actual[first]} instead of ${expected[first]}`);
}
