import { elementBytes, encodeElements, NumpyArray } from './numpy-array.ts';
import { OPCODES as OP } from './opcodes.ts';

/** A number that Python gets as a float, though it is whole. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A tuple of Python: frozen, as `readPickle` gives them. */
export function tuple<T>(values: Iterable<T>): readonly T[] {
  return Object.freeze([...values]);
}

/**
 * Writes a pickle of protocol 4 that Python reads with NumPy 1 or 2; the other way round from `readPickle`. Maps become dicts, arrays
 * lists, frozen arrays tuples, null None, `NumpyArray` NumPy's arrays; whole numbers become int, others and `PythonFloat` float.
 * @returns the parts of the file, which share the memory of arrays
 * @throws RangeError for anything else
 */
export function encodePickle(value: unknown): Uint8Array[] {
  return [Uint8Array.of(OP.PROTO, 4), ...write(value), Uint8Array.of(OP.STOP)];
}

function* write(value: unknown): Generator<Uint8Array> {
  if (value === null) yield Uint8Array.of(OP.NONE);
  else if (typeof value === 'boolean') yield Uint8Array.of(value ? OP.NEWTRUE : OP.NEWFALSE);
  else if (typeof value === 'string') yield text(value);
  else if (typeof value === 'number') yield Number.isSafeInteger(value) && !Object.is(value, -0) ? integer(value) : float(value);
  else if (value instanceof PythonFloat) yield float(value.value);
  else if (value instanceof NumpyArray) yield* array(value);
  else if (value instanceof Map) {
    yield Uint8Array.of(OP.EMPTY_DICT, OP.MARK);
    for (const entry of value) for (const part of entry) yield* write(part);
    yield Uint8Array.of(OP.SETITEMS);
  } else if (Array.isArray(value)) {
    const frozen = Object.isFrozen(value);
    yield frozen ? Uint8Array.of(OP.MARK) : Uint8Array.of(OP.EMPTY_LIST, OP.MARK);
    for (const entry of value) yield* write(entry);
    yield Uint8Array.of(frozen ? OP.TUPLE : OP.APPENDS);
  } else throw new RangeError(`there is no place in a pickle for ${typeof value}`);
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(OP.BINUNICODE, bytes.length), bytes]);
}

function integer(value: number): Uint8Array {
  const small = value === (value | 0);
  const bytes = Buffer.alloc(small ? 5 : 10);
  if (small) {
    bytes[0] = OP.BININT;
    bytes.writeInt32LE(value, 1);
  } else {
    bytes.set([OP.LONG1, 8]);
    bytes.writeBigInt64LE(BigInt(value), 2);
  }
  return bytes;
}

function float(value: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes[0] = OP.BINFLOAT;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function uint32(code: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(5);
  bytes[0] = code;
  bytes.writeUInt32LE(value, 1);
  return bytes;
}

function global(module: string, name: string): Uint8Array {
  return Buffer.from(`${String.fromCharCode(OP.GLOBAL)}${module}\n${name}\n`, 'latin1');
}

/** What `numpy.ndarray.__reduce__` gives: an empty array, then its state. NumPy 2 knows the module by its old name, too. */
function* array(value: NumpyArray): Generator<Uint8Array> {
  const elements = encodeElements(value);
  yield global('numpy.core.multiarray', '_reconstruct');
  yield global('numpy', 'ndarray');
  yield* write(tuple([0]));
  yield Uint8Array.of(OP.SHORT_BINBYTES, 1, 'b'.charCodeAt(0), OP.TUPLE3, OP.REDUCE, OP.MARK);
  yield* write(1);
  yield* write(tuple(value.shape));
  yield global('numpy', 'dtype');
  yield* write(tuple([value.dtype, false, true]));
  yield Uint8Array.of(OP.REDUCE);
  yield* write(tuple([3, elementBytes(value.dtype) > 1 ? '<' : '|', null, null, null, -1, -1, 0]));
  yield Uint8Array.of(OP.BUILD, OP.NEWFALSE);
  yield uint32(OP.BINBYTES, elements.length);
  yield elements;
  yield Uint8Array.of(OP.TUPLE, OP.BUILD);
}
