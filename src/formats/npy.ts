import { StoreError } from '../common/errors.ts';

/** The NumPy dtypes that are read, with their element sizes in bytes. A store has all but uint8. */
export const DTYPES = { '<f4': 4, '<f2': 2, '|i1': 1, '|u1': 1, '<i2': 2 } as const;

export type Dtype = keyof typeof DTYPES;

/** Images are floating-point numbers, labels integers; but for images of int16, of which the index of a store says so. */
export const isImage = (dtype: string): dtype is '<f4' | '<f2' => dtype === '<f4' || dtype === '<f2';

export interface NpyHeader {
  dtype: Dtype;
  shape: number[];
  /** Where the voxels begin in the file, in bytes. */
  offset: number;
}

const MAGIC = '\x93NUMPY';
/** Room for the header of any array a store writes; a multiple of 64, as NumPy aligns it. */
export const NPY_HEADER_BYTES = 128;

/** A format 1.0 header (NumPy's `numpy.lib.format`), C order, little endian, always NPY_HEADER_BYTES long. */
export function encodeNpyHeader(dtype: Dtype, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ', 'latin1');
  header.write(MAGIC, 'latin1');
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
  if (text.length > NPY_HEADER_BYTES - 11) throw new RangeError(`an .npy header for shape ${tuple} does not fit`);
  header.write(text, 10, 'latin1');
  header[NPY_HEADER_BYTES - 1] = 0x0a;
  return header;
}

/** Reads the header from the first bytes of an .npy file. @throws StoreError naming `path`. */
export function parseNpyHeader(path: string, head: Buffer): NpyHeader {
  const fail = (what: string): never => {
    throw new StoreError(path, what, 'Run `voxfeed preprocess` again; it replaces damaged files');
  };
  if (head.length < 10 || head.toString('latin1', 0, 6) !== MAGIC) fail('it is not an .npy file');
  const wide = head[6] >= 2;
  const start = wide ? 12 : 10;
  if (head.length < start) fail('its header is cut off');
  const length = wide ? head.readUInt32LE(8) : head.readUInt16LE(8);
  if (head.length < start + length) fail('its header is cut off');
  const text = head.toString('latin1', start, start + length);
  const dtype = /'descr': *'([^']*)'/.exec(text)?.[1];
  const shape = /'shape': *\(([^)]*)\)/.exec(text)?.[1];
  if (dtype === undefined || !(dtype in DTYPES) || shape === undefined || !/'fortran_order': *False/.test(text)) {
    fail(`its header ${JSON.stringify(text.trim())} is not a C-ordered array of ${Object.keys(DTYPES).join(', ')}`);
  }
  const sizes = (shape as string)
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) fail(`its header gives the shape (${shape}), which is none`);
  return { dtype: dtype as Dtype, shape: sizes, offset: start + length };
}
