import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/common/errors.ts';
import { B2ndArray } from '../../../src/formats/b2nd/array.ts';
import { DenseReader } from '../../../src/formats/b2nd/dense.ts';
import type { Four, FourBox } from '../../../src/formats/b2nd/grid.ts';
import { type B2ndHead, readB2ndHead } from '../../../src/formats/b2nd/head.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';
import { FILES, voxelsOf } from './files.ts';

function opened<T>(path: string, use: (array: B2ndArray) => T): T {
  const fd = openSync(path, 'r');
  try {
    return use(new B2ndArray(path, fd));
  } finally {
    closeSync(fd);
  }
}

function headOf(path: string): B2ndHead {
  const fd = openSync(path, 'r');
  try {
    return readB2ndHead(path, fd);
  } finally {
    closeSync(fd);
  }
}

const bytesOf = (array: ArrayBufferView): Buffer => Buffer.from(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);

/** The bytes of a box of a dense array. */
function cut(dense: Buffer, shape: Four, typesize: number, { lower, upper }: FourBox): Buffer {
  const rows: Buffer[] = [];
  for (let c = lower[0]; c < upper[0]; c++)
    for (let z = lower[1]; z < upper[1]; z++)
      for (let y = lower[2]; y < upper[2]; y++) {
        const row = ((c * shape[1] + z) * shape[2] + y) * shape[3];
        rows.push(dense.subarray((row + lower[3]) * typesize, (row + upper[3]) * typesize));
      }
  return Buffer.concat(rows);
}

/** Boxes anywhere inside, of one voxel to all of them. */
function randomBoxes(shape: Four, count: number): FourBox[] {
  let state = 7;
  const below = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  return Array.from({ length: count }, () => {
    const lower = shape.map(below) as Four;
    return { lower, upper: lower.map((from, axis) => from + 1 + below(shape[axis] - from)) as Four };
  });
}

const readable = FILES.filter(({ shape, refused }) => refused === undefined && shape.length <= 4);

describe('a .b2nd file of python-blosc2', () => {
  it.each(FILES)('says what it holds: $name', ({ path, shape, chunk, block, dtype }) => {
    expect(headOf(path)).toMatchObject({ shape, chunkShape: chunk, blockShape: block, dtype, fileBytes: readFileSync(path).length });
  });

  it.each(readable)('gives every voxel, and every box: $name', (file) => {
    opened(file.path, (array) => {
      const { shape } = array.grid;
      const { typesize, blockBytes } = array.head;
      const dense = bytesOf(voxelsOf(file));
      const reader = new DenseReader(blockBytes);
      expect(Buffer.from(reader.read(array, { lower: [0, 0, 0, 0], upper: shape })).equals(dense)).toBe(true);
      for (const box of randomBoxes(shape, 60))
        expect(Buffer.from(reader.read(array, box)).equals(cut(dense, shape, typesize, box)), JSON.stringify(box)).toBe(true);
      reader.check(array);
    });
  });

  it.each(FILES.filter(({ refused }) => refused !== undefined))('is refused by name where it is not read: $name', ({ path, refused }) => {
    expect(() => opened(path, (array) => new DenseReader(array.head.blockBytes).check(array))).toThrow(refused);
  });

  it('has four axes at most', () => {
    const { path } = FILES.find(({ name }) => name === 'five-axes')!;
    expect(() => opened(path, () => {})).toThrow('it holds an array [2, 2, 3, 4, 5] of more than four axes');
  });

  it('stores chunks that are all alike in its index alone, and blocks in any order', () => {
    const named = (wanted: string): string => FILES.find(({ name }) => name === wanted)!.path;
    expect(Array.from(headOf(named('zeros')).offsets)).toEqual(Array(8).fill(-1));
    expect(Array.from(headOf(named('nan')).offsets)).toEqual(Array(8).fill(-2));
    expect(Array.from(headOf(named('uninitialised')).offsets)).toEqual(Array(8).fill(-4));
    expect(headOf(named('sparse')).offsets.some((offset) => offset < 0)).toBe(true);
    const places = Array.from(headOf(named('overwritten')).offsets);
    expect(places).not.toEqual(places.toSorted((a, b) => a - b));
    opened(named('threads'), (array) => {
      const starts = Array.from(array.chunk(0).starts);
      expect(starts).not.toEqual(starts.toSorted((a, b) => a - b));
    });
  });
});

/** Two files in full, as python-blosc2 4.12.0 wrote them. */
const GOLDEN = {
  labels: `
    9ea862326672616d6500d2000000cbcf000000000000026aa412005202d30000000000000100d3000000000000013cd2
    00000002d200000020d200000040d10001d10002c2d8060000000000000200000000000000000093cd0011de0001a462
    326e64d20000006bdc0001c60000005b97000494d30000000000000001d30000000000000003d30000000000000004d3
    000000000000000594d200000001d200000002d200000004d20000000494d200000001d200000002d200000002d20000
    000400db000000033c69320501350240000000200000004c00000000000000000002000000000000000000280000003a
    0000000e0000001bff0100160001005000000000000e0000001bff010016000100500000000000050135024000000020
    0000005400000000000000000002000000000000000000280000003e0000001200000031ffff00010004080007010050
    00000000001200000031ffff0001000408000701005000000000000501350240000000200000004c0000000000000000
    0002000000000000000000280000003a0000000e0000002a010002000701005000000000000e0000002a010002000701
    005000000000000501350240000000200000005000000000000000000002000000000000000000280000003c00000010
    00000022010001002d010001005000000000001000000022010001002d01000100500000000000050117082000000020
    000000400000000000000000010000000000000000000000000000000000004c00000000000000a000000000000000ec
    00000000000000940193cd0006de0000dc0000ce00000023d80000000000000000000000000000000000`,
  image: `
    9ea862326672616d6500d2000000cbcf00000000000001c3a412005202d30000000000000400d300000000000000a5d2
    00000004d200000080d200000200d10001d10002c2d8060100000000000200000000000000000093cd0011de0001a462
    326e64d20000006bdc0001c60000005b97000494d30000000000000001d30000000000000003d30000000000000008d3
    000000000000000894d200000001d200000002d200000008d20000000894d200000001d200000001d200000004d20000
    000800db000000033c6634050135040002000080000000a5000000010000000000020000000000000000003000000034
    00000038000000710000000000000000000000350000001f0001002df11380004080a0c0e00010203040506070808890
    98a0a8b0b8c0c8d0d8e0e8f0f8003e3f01001e400100504040404040300000001f0001002dff1104080c1014181c2024
    282c3034383c4044484c5054585c6064686c7074787c4101000750414141414105010708100000001000000030000000
    0000000000010000000000000000000000000000000000000000000000000081940193cd0006de0000dc0000ce000000
    23d80000000000000000000000000000000000`,
};

describe('files that are known byte by byte', () => {
  const dir = temporaryFolder();
  const write = (name: string, bytes: Uint8Array): string => {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, name), bytes);
    return join(dir, name);
  };
  const goldenBytes = (name: keyof typeof GOLDEN): Buffer => Buffer.from(GOLDEN[name].replaceAll(/\s/g, ''), 'hex');

  it('are read: int16, no filter, chunks that reach beyond the array', () => {
    opened(write('labels.b2nd', goldenBytes('labels')), (array) => {
      expect(Array.from(array.head.offsets)).toEqual([203, 279, 363, 439]);
      const bytes = new DenseReader(array.head.blockBytes).read(array, { lower: [0, 0, 0, 0], upper: [1, 3, 4, 5] });
      expect(Array.from(new Int16Array(bytes.buffer))).toEqual([-1, 0, 1].flatMap((label) => Array(20).fill(label)));
    });
  });

  it('are read: float32, shuffled, with runs of zeros and a chunk that is not stored', () => {
    opened(write('image.b2nd', goldenBytes('image')), (array) => {
      expect(Array.from(array.head.offsets)).toEqual([203, -1]);
      const bytes = new DenseReader(array.head.blockBytes).read(array, { lower: [0, 0, 0, 0], upper: [1, 3, 8, 8] });
      expect(Array.from(new Float32Array(bytes.buffer))).toEqual(
        Array.from({ length: 192 }, (_, i) => (i >= 64 && i < 128 ? (i - 64) / 4 : 0)),
      );
    });
  });

  const set =
    (at: number, bytes: number[]): ((file: Buffer) => Buffer) =>
    (file) => {
      file.set(bytes, at);
      return file;
    };
  const INT32_MAX = [0x7f, 0xff, 0xff, 0xff];
  it.each<[string, (file: Buffer) => Buffer, RegExp]>([
    ['empty', () => Buffer.alloc(0), /it is not a \.b2nd file/],
    ['another format', set(0, [0x93, 0x4e]), /it is not a \.b2nd file/],
    ['cut off in its header', (file) => file.subarray(0, 150), /it holds 150 bytes instead of 451/],
    ['cut off', (file) => file.subarray(0, 450), /it holds 450 bytes instead of 451/],
    ['longer than it says', (file) => Buffer.concat([file, Buffer.alloc(3)]), /it holds 454 bytes instead of 451/],
    ['a sparse frame', set(26, [1]), /a form that is not read \(flags 18, type 1\)/],
    ['chunks of any size', set(25, [0x53]), /a form that is not read \(flags 83, type 0\)/],
    ['a header beyond the file', set(11, INT32_MAX), /its header says that it is 2147483647 bytes long/],
    ['metalayers that are none', set(91, [0xc1]), /its metalayers cannot be read/],
    ['no array', set(95, [0x61]), /there is no metalayer b2nd/],
    ['an axis of length 0', set(117, [0, 0, 0, 0, 0, 0, 0, 0]), /its metalayer b2nd does not describe an array/],
    ['an axis beyond all numbers', set(117, [0x7f, 0, 0, 0, 0, 0, 0, 0]), /its metalayer b2nd does not describe an array/],
    ['more chunks than files have', set(129, [0x7f]), /it has \d+ chunks, more than/],
    ['a block that does not fit its bytes', set(53, [0, 0, 0, 0x81]), /its header gives chunks .* of blocks/],
    ['chunks that do not fit theirs', set(58, INT32_MAX), /its header gives chunks .* in 2147483647 and 128 bytes/],
    ['an element of another size', set(48, [0, 0, 0, 8]), /elements have 8 bytes, and that they are <f4/],
    ['chunks beyond the file', set(39, [0, 0, 0, 0, 0, 1, 0, 0]), /its header gives 65536 bytes of chunks, more than its 451 bytes/],
    ['an index of another size', set(203 + 165 + 4, [17]), /its index of chunks says that it holds 17 bytes instead of 16/],
    ['an index that is cut off', set(203 + 165 + 12, [47]), /its index of chunks is cut off/],
    ['an index beyond the file', set(203 + 165 + 12, [0xff]), /its index of chunks says that it has 255 bytes/],
    ['a chunk beyond the others', set(203 + 165 + 32, [0xa5]), /its index places chunk 0 at byte 368, after the last one/],
    ['a chunk of Blosc 1', set(205, [0x34]), /its chunk 0 is of Blosc 1/],
    ['a chunk of another size', set(207, [1]), /its chunk 0 says that it holds 513 bytes instead of 512/],
    ['a chunk of other blocks', set(211, [64]), /its chunk 0 says that its blocks hold 64 bytes instead of 128/],
    ['a chunk beyond the index', set(215, [0xa6]), /its chunk 0 says that it is 166 bytes long, where the file has 165/],
    ['a codec of others', set(205, [0xd5]), /its chunk 0 is compressed by the plug-in codec 2/],
    ['a filter of others', set(219, [160]), /its chunk 0 was filtered by plug-in 160/],
    ['a dictionary', set(203 + 31, [1]), /its chunk 0 is compressed with a dictionary/],
    ['a block in the head', set(203 + 32, [47]), /its block 0 begins at byte 47 of 165/],
    ['a block beyond its chunk', set(203 + 36, [0xa5]), /its block 1 begins at byte 165 of 165/],
    ['a stream beyond its block', set(203 + 56, [0x7f]), /its chunk 0, block 2 says that 127 bytes follow, of 53/],
    ['a run of no byte', set(203 + 48, [0, 0, 0, 0x80]), /its chunk 0, block 0 is filled with 2147483648, which is no byte/],
    ['no LZ4', set(203 + 60, [0xff]), /its chunk 0, block 2 is not what LZ4 writes/],
  ])('are refused where they are damaged: %s', (name, damage, message) => {
    const path = write(`${name}.b2nd`, damage(goldenBytes('image')));
    const read = (): void => opened(path, (array) => new DenseReader(array.head.blockBytes).check(array));
    expect(read).toThrow(message);
    expect(read).toThrow(StoreError);
    expect(read).toThrow(path);
  });
});
