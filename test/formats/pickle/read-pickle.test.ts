import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/common/errors.ts';
import { NumpyArray } from '../../../src/formats/pickle/numpy-array.ts';
import { readPickle } from '../../../src/formats/pickle/read-pickle.ts';
import { RECORDED } from './recorded.ts';

const read = (bytes: number[]): unknown => readPickle('case.pkl', Uint8Array.from([0x80, 4, ...bytes]));
/** Whether it is refused; anything but a StoreError is a failure. */
function refused(bytes: Uint8Array): boolean {
  try {
    readPickle('case.pkl', bytes);
    return false;
  } catch (error) {
    if (error instanceof StoreError) return true;
    throw error;
  }
}
const text = (value: string): number[] => [0x8c, value.length, ...Buffer.from(value)];
const [EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE, MARK, STOP] = [0x7d, 0x5d, 0x29, 0x28, 0x2e];
const [APPEND, APPENDS, SETITEMS, TUPLE1, TUPLE2, TUPLE3] = [0x61, 0x65, 0x75, 0x85, 0x86, 0x87];
const [MEMOIZE, BINGET, STACK_GLOBAL, REDUCE, BUILD, ONE] = [0x94, 0x68, 0x93, 0x52, 0x62, 0x4b];
const global = (module: string, name: string): number[] => [...text(module), ...text(name), STACK_GLOBAL];
const dtype = (name: string): number[] => [...global('numpy', 'dtype'), ...text(name), 0x89, 0x88, TUPLE3, REDUCE];

describe.each(Object.entries(RECORDED))('%s', (_, base64) => {
  const bytes = Buffer.from(base64, 'base64');
  const whole = readPickle('case.pkl', bytes) as Map<string, unknown>;

  test('comes as it was', () => {
    expect([...whole].filter(([name]) => name !== 'class_locations')).toEqual([
      [
        'sitk_stuff',
        new Map([
          ['spacing', [1, 1.5, 3]],
          ['origin', [-1, 2, 0]],
          ['direction', [1, 0, 0, 0, 1, 0, 0, 0, 1]],
        ]),
      ],
      ['spacing', [3, 1.5, 1]],
      ['shape_before_cropping', [35, 300, 70000]],
      [
        'bbox_used_for_cropping',
        [
          [0, 35],
          [0, 300],
          [0, 70000],
        ],
      ],
      ['affine', new NumpyArray('f8', [2, 2], Float64Array.of(1, 0, 0, 1))],
      ['names', ['ä', null, true, false, 2 ** 40, -5]],
      ['bytes', new NumpyArray('u1', [3], Uint8Array.of(0, 1, 2))],
      ['half', 0.5],
      ['any', true],
      ['count', -7],
    ]);
  });

  test('locations are whole numbers in C order, under numbers and tuples', () => {
    const locations = [...(whole.get('class_locations') as Map<unknown, unknown>)];
    expect(locations).toEqual([
      [1, new NumpyArray('i8', [2, 4], Float64Array.of(0, 1, 2, 3, 0, -1, 2 ** 33, -(2 ** 40)))],
      [2, []],
      [[1, 2], new NumpyArray('i8', [2, 4], Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7))],
    ]);
  });

  test('tuples are frozen, lists are not', () => {
    expect(Object.isFrozen(whole.get('shape_before_cropping'))).toBe(true);
    expect(Object.isFrozen(whole.get('spacing'))).toBe(false);
  });

  test('cut anywhere, it is refused', () => {
    for (let length = 0; length < bytes.length; length++) expect(refused(bytes.subarray(0, length)), `${length} bytes`).toBe(true);
  });

  test('with any bit turned, it is read or refused, and nothing else happens', () => {
    let count = 0;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      if (refused(damaged)) count++;
    }
    expect(count).toBeGreaterThan(3 * bytes.length);
  });
});

const DEEP = Array.from({ length: 1000 }, () => TUPLE1);
const array = [
  ...global('numpy._core.multiarray', '_reconstruct'),
  ...global('numpy', 'ndarray'),
  ONE,
  0,
  TUPLE1,
  0x43,
  1,
  98,
  TUPLE3,
  REDUCE,
];
/** Tuples, each of two times the one before: 2^45 values for who walks through them. */
const DOUBLED = Array.from({ length: 45 }, (_, i) => [MEMOIZE, BINGET, i, TUPLE2]).flat();

test.each<[string, number[], RegExp]>([
  ['a function of the system', [...global('posix', 'system'), STOP], /asks for "posix\.system".*byte 17, STACK_GLOBAL \(0x93\)/],
  ['a line of text that names', [0x63, ...Buffer.from('os\nsystem\n'), STOP], /asks for "os\.system".*byte 2, GLOBAL \(0x63\)/],
  ['an instruction for objects', [EMPTY_TUPLE, 0x81, STOP], /needs this instruction \(byte 3, NEWOBJ \(0x81\)\)/],
  ['an instruction that does not exist', [0xff, STOP], /needs this instruction \(byte 2, 0xff\)/],
  ['a call of a list', [EMPTY_LIST, EMPTY_TUPLE, REDUCE, STOP], /calls what is no function.*REDUCE/],
  ['an array as a call', [...global('numpy', 'ndarray'), EMPTY_TUPLE, REDUCE, STOP], /calls numpy\.ndarray with other arguments/],
  ['objects as elements', [...dtype('O8'), STOP], /elements of type "O8"/],
  ['a type as its value', [...dtype('i8'), STOP], /holds a type or function/],
  ['a function in a list', [EMPTY_LIST, ...global('numpy', 'dtype'), APPEND, STOP], /holds a type or function/],
  ['a type in a tuple in a dict', [EMPTY_DICT, MARK, ONE, 1, ...dtype('i8'), TUPLE1, SETITEMS, STOP], /holds a type or function/],
  [
    'big endian elements',
    [...dtype('i8'), MARK, ONE, 3, ...text('>'), 0x4e, 0x4e, 0x4e, ...minusOne(), ...minusOne(), ONE, 0, 0x74, BUILD, STOP],
    /byte order ">"/,
  ],
  ['an array without elements', [...array, STOP], /array has no elements/],
  ['an array without elements in a list', [EMPTY_LIST, ...array, APPEND, STOP], /array has no elements/],
  [
    'an array of another size',
    [...array, MARK, ONE, 1, ONE, 3, TUPLE1, ...dtype('u1'), 0x89, 0x43, 2, 1, 2, 0x74, BUILD, STOP],
    /shape \(3\) does not have 3 bytes/,
  ],
  [
    'an array of immense size',
    [...array, MARK, ONE, 1, 0x4a, 255, 255, 255, 127, 0x4a, 255, 255, 255, 127, TUPLE2, ...dtype('u1'), 0x89, 0x43, 0, 0x74, BUILD, STOP],
    /does not have/,
  ],
  ['a text of immense length', [0x58, 255, 255, 255, 255, STOP], /needs 4294967295 more bytes, the file has 1/],
  ['bytes of immense length', [0x8e, 255, 255, 255, 255, 255, 255, 255, 255, STOP], /more bytes, the file has 1/],
  ['a frame of immense length', [0x95, 255, 255, 255, 255, 255, 255, 255, 127, STOP], /more bytes, the file has 1/],
  ['text that is none', [0x8c, 1, 255, STOP], /not UTF-8/],
  ['an immense integer', [0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 64, STOP], /beyond 2\^53/],
  ['a longer integer', [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, STOP], /integer of 9 bytes/],
  ['a list that holds itself', [EMPTY_LIST, MEMOIZE, BINGET, 0, APPEND, STOP], /holds itself/],
  [
    'a list that is filled once it is in another',
    [EMPTY_LIST, MEMOIZE, TUPLE1, BINGET, 0, ONE, 1, APPEND, STOP],
    /cannot be changed, or no longer/,
  ],
  ['a tuple that is filled', [EMPTY_TUPLE, ONE, 1, APPEND, STOP], /cannot be changed/],
  ['depth', [EMPTY_TUPLE, ...DEEP, STOP], /more than 50 levels deep/],
  ['a few bytes for very many values', [EMPTY_TUPLE, ...DOUBLED, STOP], /more than 1000000 values.*TUPLE2/],
  ['many values', [MARK, ...Array.from({ length: 1_000_001 }, () => EMPTY_LIST), 0x74, STOP], /more than 1000000 values/],
  ['a key that is a list', [EMPTY_DICT, MARK, EMPTY_LIST, ONE, 1, SETITEMS, STOP], /key is no number, text or tuple/],
  ['a key that is a tuple of a list', [EMPTY_DICT, MARK, EMPTY_LIST, TUPLE1, ONE, 1, SETITEMS, STOP], /key is no number, text or tuple/],
  ['a key without a value', [EMPTY_DICT, MARK, ONE, 1, SETITEMS, STOP], /no dict/],
  ['entries of a list', [EMPTY_LIST, MARK, ONE, 1, ONE, 2, SETITEMS, STOP], /no dict/],
  ['something never kept', [BINGET, 7, STOP], /kept nothing as number 7/],
  ['more taken than there is', [ONE, 1, TUPLE2, STOP], /takes more than there is/],
  ['what lies below a mark', [ONE, 1, MARK, TUPLE1, STOP], /takes more than there is/],
  ['a mark that was not set', [APPENDS, STOP], /mark that it did not set/],
  ['a mark left over', [MARK, ONE, 1, STOP], /left over/],
  ['a value left over', [ONE, 1, ONE, 2, STOP], /left over/],
  ['bytes after its end', [ONE, 1, STOP, STOP], /1 bytes follow its end/],
  ['nothing', [STOP], /takes more than there is/],
])('%s: refused', (_, bytes, message) => {
  expect(() => read(bytes)).toThrow(StoreError);
  expect(() => read(bytes)).toThrow(message);
});

function minusOne(): number[] {
  return [0x4a, 255, 255, 255, 255];
}

test.each([
  ['nothing', [], /does not begin as a pickle/],
  ['a file of another kind', [...Buffer.from('\x93NUMPY')], /does not begin as a pickle/],
  ['an older protocol', [0x80, 1, 0x4e, STOP], /protocol 1, not 2 to 5/],
  ['a newer protocol', [0x80, 6, 0x4e, STOP], /protocol 6, not 2 to 5/],
])('%s is no pickle', (_, bytes, message) => {
  expect(() => readPickle('case.pkl', Uint8Array.from(bytes))).toThrow(message);
});

test('the same bytes do not become many arrays', () => {
  const state = [ONE, 1, ONE, 200, TUPLE1, ...dtype('u1'), 0x89, BINGET, 0];
  const repeated = [...array, MARK, ...state, 0x74, BUILD];
  const bytes = [0x43, 200, ...new Array(200).fill(1), MEMOIZE, ...repeated, ...repeated, ...repeated, ...repeated, TUPLE3, STOP];
  expect(() => read(bytes)).toThrow(/arrays larger than the file/);
});

test('random instructions are read or refused', () => {
  const random = mulberry(7);
  const codes = [...Buffer.from('()]}.Ne0aubtRJKMGBXCchqrjs'), 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x8e, 0x93, 0x94, 0x95, 0x96];
  const known = [...array, ...dtype('i8')];
  let read = 0;
  for (let round = 0; round < 20_000; round++) {
    const length = 1 + Math.floor(random() * 40);
    const bytes = Array.from({ length }, () => (random() < 0.7 ? codes[Math.floor(random() * codes.length)] : Math.floor(random() * 4)));
    const start = random() < 0.3 ? known : [];
    if (!refused(Uint8Array.from([0x80, 4, ...start, ...bytes, STOP]))) read++;
  }
  expect(read).toBeGreaterThan(10);
});

function mulberry(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
