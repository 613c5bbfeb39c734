/**
 * What NumPy calls the elements that are read, and how they come to JavaScript. Wide integers come as float64, which holds them
 * up to 2^53; NumPy's bools as bytes.
 */
const ELEMENTS = {
  b1: Uint8Array,
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  f4: Float32Array,
  f8: Float64Array,
  i8: Float64Array,
  u8: Float64Array,
} as const;

/** An element type by NumPy's short name; always little endian. */
export type ElementType = keyof typeof ELEMENTS;

export type Elements = InstanceType<(typeof ELEMENTS)[ElementType]>;

/** An array of NumPy: `data` in C order, `shape` from the slowest axis on. */
export class NumpyArray {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data: Elements;

  constructor(dtype: ElementType, shape: readonly number[], data: Elements) {
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
  }
}

export function isElementType(name: unknown): name is ElementType {
  return typeof name === 'string' && Object.hasOwn(ELEMENTS, name);
}

export function elementBytes(dtype: ElementType): number {
  return Number(dtype[1]);
}

/** @throws RangeError for an integer that float64 does not hold exactly */
export function decodeElements(dtype: ElementType, bytes: Uint8Array): Elements {
  // A copy, because the bytes may begin at any address.
  const { buffer } = new Uint8Array(bytes);
  if (dtype !== 'i8' && dtype !== 'u8') return new ELEMENTS[dtype](buffer);
  const low = new Uint32Array(buffer);
  const high = dtype === 'i8' ? new Int32Array(buffer) : low;
  // In place: both halves of an element are read before it is written.
  const values = new Float64Array(buffer);
  for (let i = 0; i < values.length; i++) {
    const value = high[2 * i + 1] * 2 ** 32 + low[2 * i];
    if (!Number.isSafeInteger(value)) throw new RangeError(`element ${i} is an integer beyond 2^53`);
    values[i] = value;
  }
  return values;
}

export function encodeElements({ dtype, data }: NumpyArray): Uint8Array {
  if (dtype !== 'i8' && dtype !== 'u8') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const halves = new Int32Array(2 * data.length);
  for (let i = 0; i < data.length; i++) {
    halves[2 * i] = data[i];
    halves[2 * i + 1] = Math.floor(data[i] / 2 ** 32);
  }
  return new Uint8Array(halves.buffer);
}

/** From Fortran's order of elements, the first axis fastest, to C's. */
export function fromFortranOrder<T extends Elements>(data: T, shape: readonly number[]): T {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const sorted = data.slice() as T;
  const index = shape.map(() => 0);
  let to = 0;
  for (const value of data) {
    sorted[to] = value;
    for (let axis = 0; axis < shape.length; axis++) {
      to += strides[axis];
      if (++index[axis] < shape[axis]) break;
      to -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return sorted;
}
