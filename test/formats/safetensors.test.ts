import { expect, test } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.ts';

const tensors = [
  { name: 'a.weight', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  { name: 'a.bias', shape: [1], data: Float32Array.of(-1) },
];
const bytes = Buffer.concat(encodeSafetensors(tensors, { format: 'pt' }));

test('tensors come back as they were', () => {
  const found = decodeSafetensors(bytes);
  expect([...found.values()]).toEqual(tensors);
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
])('%s is refused', (_, damaged, message) => {
  expect(() => decodeSafetensors(damaged)).toThrow(message);
});
