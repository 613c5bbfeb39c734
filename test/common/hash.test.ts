import { expect, it } from 'vitest';
import createXxhash from 'xxhash-wasm';
import { hasher } from '../../src/common/hash.ts';
import { jsonPieces, listPieces } from '../../src/common/json-pieces.ts';

const checksum = await hasher();

it('hashes bytes of any length, and whatever is laid end to end, as they would be hashed in one piece', async () => {
  const { h64Raw } = await createXxhash();
  const bytes = Uint8Array.from({ length: 2 ** 21 + 5 }, (_, i) => (i * i) % 251);
  const whole = h64Raw(bytes).toString(16).padStart(16, '0');
  expect(checksum(bytes)).toBe(whole);
  expect(checksum(bytes.subarray(0, 9), bytes.subarray(9))).toBe(whole);
  expect(checksum(new Uint32Array([1, 2]))).toBe(checksum(new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0])));
  function* pieces() {
    yield 'ä';
    yield 'b';
  }
  expect(checksum('x', pieces(), 'y')).toBe(checksum('xäby'));
});

it.each([
  [{}],
  [[]],
  [null],
  [{ a: [], b: {}, c: undefined, 'd"': [undefined, null, 'ä\n'], e: { f: 1.5 } }],
  [{ list: Array.from({ length: 2000 }, (_, i) => ({ i, none: undefined })), last: [1] }],
  [Array.from({ length: 2001 }, (_, i) => i)],
])('writes JSON in pieces that are the text of JSON.stringify', (value) => {
  expect([...jsonPieces(value)].join('')).toBe(JSON.stringify(value));
});

it('writes what is made of each entry of a list', () => {
  const list = Array.from({ length: 1500 }, (_, i) => i);
  const pieces = [...listPieces(list, (i) => [i, -i])];
  expect(pieces).toHaveLength(2);
  expect(pieces.join('')).toBe(JSON.stringify(list.map((i) => [i, -i])));
  expect([...listPieces([])].join('')).toBe('[]');
});
