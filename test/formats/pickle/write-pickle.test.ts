import { expect, test } from 'vitest';
import { type Elements, type ElementType, NumpyArray } from '../../../src/formats/pickle/numpy-array.ts';
import { readPickle } from '../../../src/formats/pickle/read-pickle.ts';
import { encodePickle, PythonFloat, tuple } from '../../../src/formats/pickle/write-pickle.ts';
import { RECORDED } from './recorded.ts';

const again = (value: unknown): unknown => readPickle('case.pkl', Buffer.concat(encodePickle(value)));

test.each(Object.entries(RECORDED))('what was read of %s is the same when it is written and read again', (_, base64) => {
  const value = readPickle('case.pkl', Buffer.from(base64, 'base64'));
  const second = again(value);
  expect(second).toEqual(value);
  expect(Object.isFrozen((second as Map<string, unknown>).get('shape_before_cropping'))).toBe(true);
});

test.each([0, -1, 255, 70_000, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53 - 1, -(2 ** 53) + 1, 0.1, -0, Infinity, Number.NaN])(
  '%d',
  (number) => {
    expect(again(number)).toBe(number);
  },
);

test.each<[ElementType, Elements]>([
  ['b1', Uint8Array.of(0, 1)],
  ['i1', Int8Array.of(-1, 127)],
  ['u2', Uint16Array.of(1, 65535)],
  ['i4', Int32Array.of(-1, 2 ** 31 - 1)],
  ['f4', Float32Array.of(0.5, Number.NaN)],
  ['i8', Float64Array.of(-1, -(2 ** 40) - 7)],
  ['u8', Float64Array.of(3, 2 ** 52 + 1)],
])('an array of %s', (dtype, data) => {
  const array = new NumpyArray(dtype, [1, 2], data);
  expect(again([array])).toEqual([array]);
});

test('the bytes: whole numbers are int, marked ones float; frozen arrays tuples, others lists', () => {
  const bytes = Buffer.concat(encodePickle(tuple([[7], new PythonFloat(1)])));
  expect(bytes.toString('hex')).toBe(`8004${'28'}${'5d284a0700000065'}${'473ff0000000000000'}${'74'}2e`);
});

test('what Python has no word for is refused', () => {
  expect(() => encodePickle([undefined])).toThrow('there is no place in a pickle for undefined');
  expect(() => encodePickle(1n)).toThrow('there is no place in a pickle for bigint');
  expect(() => encodePickle({ a: 1 })).toThrow('there is no place in a pickle for object');
});
