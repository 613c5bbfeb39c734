import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/common/errors.ts';
import { DTYPES, type Dtype, encodeNpyHeader, NPY_HEADER_BYTES, parseNpyHeader } from '../../src/formats/npy.ts';

/** What `np.save` writes before the voxels: magic, version, length, the text padded with spaces, a line feed. */
function numpyHeader(text: string, version: 1 | 2 = 1): Buffer {
  const start = version === 1 ? 10 : 12;
  const padded = `${text.padEnd(Math.ceil((start + text.length + 1) / 64) * 64 - start - 1)}\n`;
  const bytes = Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.from([version, 0]),
    Buffer.alloc(start - 8),
    Buffer.from(padded),
  ]);
  if (version === 1) bytes.writeUInt16LE(padded.length, 8);
  else bytes.writeUInt32LE(padded.length, 8);
  return bytes;
}

describe('an .npy header', () => {
  it('is the one that NumPy writes', () => {
    const expected = numpyHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 36, 50, 35), }");
    expect(encodeNpyHeader('<f4', [1, 36, 50, 35]).equals(expected)).toBe(true);
  });

  it('reads back, at a size that keeps the voxels aligned', () => {
    for (const dtype of Object.keys(DTYPES) as Dtype[]) {
      for (const shape of [[7], [2, 3, 4], [16, 4096, 4096, 4096]]) {
        const header = encodeNpyHeader(dtype, shape);
        expect(header).toHaveLength(NPY_HEADER_BYTES);
        expect(header.length % 64).toBe(0);
        expect(parseNpyHeader('a.npy', header)).toEqual({ dtype, shape, offset: NPY_HEADER_BYTES });
      }
    }
  });

  it('has the comma of a Python tuple of one', () => {
    expect(encodeNpyHeader('|i1', [5]).toString('latin1')).toContain("'shape': (5,)");
  });

  it('that NumPy wrote in another length or in format 2 is understood', () => {
    const text = "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4, 5), }";
    expect(parseNpyHeader('a.npy', numpyHeader(text))).toEqual({ dtype: '<i2', shape: [3, 4, 5], offset: 128 });
    expect(parseNpyHeader('a.npy', numpyHeader(text, 2))).toEqual({ dtype: '<i2', shape: [3, 4, 5], offset: 128 });
    expect(parseNpyHeader('a.npy', numpyHeader("{'descr': '|i1', 'fortran_order': False, 'shape': (3,)}")).offset).toBe(64 * 2);
  });

  it('that does not fit is refused and not cut', () => {
    expect(() =>
      encodeNpyHeader(
        '<f4',
        Array.from({ length: 20 }, () => 1_000_000),
      ),
    ).toThrow(RangeError);
  });
});

describe('an .npy file that cannot be used', () => {
  function refused(bytes: Buffer, what: string): void {
    expect(() => parseNpyHeader('folder/a.npy', bytes)).toThrow(StoreError);
    expect(() => parseNpyHeader('folder/a.npy', bytes)).toThrow(`folder/a.npy: ${what}`);
  }

  it('is named where it is no .npy file', () => {
    refused(Buffer.alloc(0), 'it is not an .npy file');
    refused(Buffer.alloc(128), 'it is not an .npy file');
    refused(Buffer.from('\x93NUMP', 'latin1'), 'it is not an .npy file');
  });

  it('is named where its header is cut off', () => {
    for (const length of [10, 64, 127]) refused(encodeNpyHeader('<f4', [1]).subarray(0, length), 'its header is cut off');
  });

  it('is named where format 2 is cut off within the length', () => {
    const whole = numpyHeader("{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4, 5), }", 2);
    refused(whole.subarray(0, 11), 'its header is cut off');
  });

  it('is named where it holds another kind of array', () => {
    refused(numpyHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"), 'its header');
    refused(numpyHeader("{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }"), 'its header');
    refused(numpyHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }"), 'its header');
    refused(numpyHeader("{'descr': '<f4', 'fortran_order': False, }"), 'its header');
    refused(numpyHeader('{}'), 'its header');
  });

  it.each(['(2, x)', '(2, -3)', '(1.5,)', '("2", 3)'])('with the shape %s is refused', (shape) => {
    const header = encodeNpyHeader('<f4', [2, 3]);
    const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
    header.fill(' ', 10).write(text, 10, 'latin1');
    expect(() => parseNpyHeader('a.npy', header)).toThrow(/^a\.npy: its header gives the shape/);
  });
});
