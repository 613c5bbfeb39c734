/**
 * Reads boxes out of a .b2nd file and writes their bytes to the standard output, one after the other: the half of `b2nd.py` that is
 * voxfeed's. Boxes come as JSON lines [lower, upper] of four numbers each.
 *
 *     node bench/interop/b2nd.ts FILE < BOXES
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { B2ndArray } from '../../src/formats/b2nd/array.ts';
import { DenseReader } from '../../src/formats/b2nd/dense.ts';
import type { Four } from '../../src/formats/b2nd/grid.ts';

const [path] = process.argv.slice(2);
const array = new B2ndArray(path, openSync(path, 'r'));
const reader = new DenseReader(array.head.blockBytes);
for (const line of readFileSync(0, 'utf8').trim().split('\n')) {
  const [lower, upper] = JSON.parse(line) as [Four, Four];
  const bytes = reader.read(array, { lower, upper });
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}
