import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/common/errors.ts';
import { B2ndArray } from '../../../src/formats/b2nd/array.ts';
import { DenseReader } from '../../../src/formats/b2nd/dense.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';
import { FILES, voxelsOf } from './files.ts';

let state = 11;
function below(n: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

/** Lengths and places that are lies. */
const LIES = [0, 1, -1, -2, -255, -256, 31, 32, 33, 2 ** 31 - 1, -(2 ** 31), 65536, 2 ** 24];

const DAMAGES: Record<string, (file: Buffer) => Buffer> = {
  'a bit that flipped': (file) => {
    file[below(file.length)] ^= 1 << below(8);
    return file;
  },
  'twenty bytes of anything': (file) => {
    for (let i = 0; i < 20; i++) file[below(file.length)] = below(256);
    return file;
  },
  'a part that is another one': (file) => {
    const [from, to, length] = [below(file.length), below(file.length), below(200)];
    file.copyWithin(to, from, from + length);
    return file;
  },
  'a cut, and a length that fits it': (file) => {
    const cut = file.subarray(0, below(file.length));
    if (cut.length >= 24) cut.writeBigUInt64BE(BigInt(cut.length), 16);
    return cut;
  },
  'a lie in its header': (file) => {
    const at = [11, 39, 43, 48, 53, 58, 89, 92, 100, 108, 117, 121, 126, 153, 176][below(15)];
    file.writeInt32BE(LIES[below(LIES.length)], at);
    return file;
  },
  'a lie in a chunk': (file) => {
    const start = file.readInt32BE(11) + 4 * below(Math.floor((file.length - file.readInt32BE(11) - 4) / 4));
    file.writeInt32LE(LIES[below(LIES.length)], start);
    return file;
  },
};

/** What becomes of a file: what is said of it, or how many voxels of it are other ones. */
function read(path: string, expected: Buffer): Error | number {
  const fd = openSync(path, 'r');
  try {
    const array = new B2ndArray(path, fd);
    if (array.head.shape.reduce((a, b) => a * b, 1) > 10 ** 7) return new StoreError(path, 'the case has another shape', '');
    const bytes = new DenseReader(array.head.blockBytes).read(array, { lower: [0, 0, 0, 0], upper: array.grid.shape });
    return expected.length === bytes.length ? bytes.reduce((sum, byte, i) => sum + Number(byte !== expected[i]), 0) : -1;
  } catch (error) {
    return error as Error;
  } finally {
    closeSync(fd);
  }
}

describe('a damaged .b2nd file', () => {
  const dir = temporaryFolder();
  mkdirSync(dir, { recursive: true });
  const files = FILES.filter(({ refused, shape }) => refused === undefined && shape.length <= 4);

  it.each(Object.keys(DAMAGES))('is refused, or read as what it says now; nothing else happens: %s', (damage) => {
    const counts = { refused: 0, other: 0, same: 0 };
    for (let i = 0; i < 150; i++) {
      const file = files[below(files.length)];
      const voxels = voxelsOf(file);
      const path = join(dir, 'damaged.b2nd');
      writeFileSync(path, DAMAGES[damage](readFileSync(file.path)));
      const found = read(path, Buffer.from(voxels.buffer as ArrayBuffer));
      if (found instanceof Error) {
        expect(found, `${file.name}: ${found.stack}`).toBeInstanceOf(StoreError);
        expect((found as StoreError).where).toBe(path);
      }
      counts[found instanceof Error ? 'refused' : found === 0 ? 'same' : 'other']++;
    }
    expect(counts.refused).toBeGreaterThan(20);
  });
});
