import { expect, test } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.ts';

const tensors = [
  { name: 'a.weight', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  { name: 'a.bias', shape: [1], data: Float32Array.of(-1) },
];
const bytes = Buffer.concat(encodeSafetensors(tensors, { format: 'pt' }));

/** A file with this header, and so many bytes of values. */
function withHeader(header: unknown, values: number): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(values)]);
}

test('tensors come back as they were', () => {
  const found = decodeSafetensors(bytes);
  expect([...found.tensors.values()]).toEqual(tensors);
  expect(found.metadata).toEqual({ format: 'pt' });
});

test('the layout is that of the format: header length, header, values at a multiple of 8 bytes', () => {
  const length = Number(bytes.readBigUInt64LE());
  expect(length % 8).toBe(0);
  expect(JSON.parse(bytes.toString('utf8', 8, 8 + length))).toEqual({
    __metadata__: { format: 'pt' },
    'a.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    'a.bias': { dtype: 'F32', shape: [1], data_offsets: [24, 28] },
  });
  expect(bytes.length).toBe(8 + length + 28);
  expect(bytes.readFloatLE(8 + length + 20)).toBe(6);
});

test.each([
  ['nothing', Buffer.alloc(0), /ends in its header/],
  ['half a header', bytes.subarray(0, 40), /ends in its header/],
  ['half of the values', bytes.subarray(0, bytes.length - 4), /ends before its last value/],
  ['no JSON', Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('nonsense')]), /not JSON/],
  ['a header that is longer than any', Buffer.concat([Buffer.from('ffffffffffffff7f', 'hex'), bytes.subarray(8)]), /ends in its header/],
  ['values of another type', withHeader({ a: { dtype: 'F16', shape: [3], data_offsets: [0, 6] } }, 6), /"a" is "F16", not F32/],
  [
    'a shape that is no list',
    withHeader({ a: { dtype: 'F32', shape: 3, data_offsets: [0, 12] } }, 12),
    /header has a\.shape: 3 is no list/,
  ],
  [
    'a negative size',
    withHeader({ a: { dtype: 'F32', shape: [-3], data_offsets: [0, 12] } }, 12),
    /a\.shape\[0\]: -3 is not a whole number/,
  ],
  ['values that are too few', withHeader({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 12] } }, 12), /"a" has 3 values, not those/],
  ['offsets before the beginning', withHeader({ a: { dtype: 'F32', shape: [1], data_offsets: [-4, 0] } }, 4), /a\.data_offsets\[0\]: -4/],
  [
    'values that two tensors share',
    withHeader({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] }, b: { dtype: 'F32', shape: [2], data_offsets: [4, 12] } }, 12),
    /"b" begins at byte 4 of the values, not where the one before it ends, 8/,
  ],
  ['values that nobody has', withHeader({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, 12), /8 bytes follow its last value/],
  ['a tensor that is none', withHeader({ a: null }, 0), /header has a: null is no object/],
  ['metadata that are no texts', withHeader({ __metadata__: { epoch: 3 } }, 0), /header has __metadata__\.epoch: 3 is not a text/],
  ['a list for a header', withHeader([], 0), /header has header: \[\] is no object/],
])('%s is refused', (_, damaged, message) => {
  expect(() => decodeSafetensors(damaged)).toThrow(RangeError);
  expect(() => decodeSafetensors(damaged)).toThrow(message);
});
