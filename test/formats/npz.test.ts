import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/common/errors.ts';
import { Draws } from '../../src/common/random.ts';
import { encodeNpyHeader } from '../../src/formats/npy.ts';
import { readNpzArray, readNpzHeader, readNpzMembers } from '../../src/formats/npz.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { zipFile } from '../fixtures/zip-file.ts';

const DATA = Buffer.concat([encodeNpyHeader('<f4', [1, 2, 3, 4]), Buffer.from(Float32Array.from({ length: 24 }, (_, i) => i / 3).buffer)]);
const LABELS = Buffer.concat([encodeNpyHeader('|i1', [1, 2, 3, 4]), Buffer.alloc(24, 7)]);
const MEMBERS = { 'data.npy': DATA, 'seg.npy': LABELS };

const path = join(temporaryFolder(), 'case.npz');

/** Everything in a file. */
function read(bytes: Uint8Array): Record<string, { shape: number[]; bytes: Buffer }> {
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    const members = [...readNpzMembers(path, fd)];
    return Object.fromEntries(
      members.map(([name, member]) => [name, { shape: readNpzHeader(path, fd, member).shape, bytes: readNpzArray(path, fd, member) }]),
    );
  } finally {
    closeSync(fd);
  }
}

describe('an .npz file', () => {
  it.each([
    { deflate: true, wide: false },
    { deflate: false, wide: false },
    { deflate: true, wide: true },
    { deflate: false, wide: true },
  ])('has its arrays, %j', (how) => {
    expect(read(zipFile(MEMBERS, how))).toEqual({
      data: { shape: [1, 2, 3, 4], bytes: DATA },
      seg: { shape: [1, 2, 3, 4], bytes: LABELS },
    });
  });

  it('may have a comment at its end', () => {
    const bytes = Buffer.concat([zipFile(MEMBERS), Buffer.from('a note')]);
    bytes.writeUInt16LE(6, bytes.length - 8);
    expect(Object.keys(read(bytes))).toEqual(['data', 'seg']);
  });
});

describe('an .npz file that is damaged', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /no \.npz file/],
    ['another', Buffer.alloc(1000, 1), /no \.npz file/],
    ['a header that promises more', zipFile({ 'data.npy': DATA.subarray(0, DATA.length - 4) }), /holds 220 bytes instead of 224/],
    ['no array', zipFile({ 'data.npy': Buffer.from('text') }), /not an \.npy file/],
  ])('is %s', (_, bytes, what) => {
    expect(() => read(bytes)).toThrow(expect.objectContaining({ name: 'StoreError', what: expect.stringMatching(what) }));
  });

  it('inflates no further than it says', () => {
    const bytes = zipFile({ 'data.npy': Buffer.concat([encodeNpyHeader('|i1', [1, 1, 1, 64]), Buffer.alloc(2 ** 24)]) });
    // Local header and directory both say 192 bytes.
    for (const at of [22, bytes.indexOf('PK\x01\x02') + 24]) bytes.writeUInt32LE(192, at);
    expect(() => read(bytes)).toThrow(expect.objectContaining({ name: 'StoreError' }));
  });

  it('gives an error or its own contents, whatever bits are flipped and wherever it ends', () => {
    const draws = new Draws(3, 0, 0);
    const whole = read(zipFile(MEMBERS));
    for (let round = 0; round < 500; round++) {
      const bytes = zipFile(MEMBERS, { deflate: round % 2 === 0, wide: round % 3 === 0 });
      if (round % 5 === 0) bytes.fill(draws.below(256), draws.below(bytes.length));
      else bytes[draws.below(bytes.length)] ^= 1 << draws.below(8);
      const cut = round % 7 === 0 ? bytes.subarray(0, draws.below(bytes.length)) : bytes;
      try {
        const found = read(cut);
        for (const [name, array] of Object.entries(found)) if (name in whole) expect(array).toEqual(whole[name]);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
      }
    }
  });
});
