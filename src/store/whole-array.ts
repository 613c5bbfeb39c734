import { closeSync, fstatSync, openSync } from 'node:fs';
import { fileError, StoreError } from '../common/errors.ts';
import { voxels } from '../common/geometry.ts';
import { B2ndArray } from '../formats/b2nd/array.ts';
import { DenseReader } from '../formats/b2nd/dense.ts';
import { blockOf, type LargestBlock } from '../formats/b2nd/head.ts';
import { DTYPES, type Dtype, NPY_HEADER_BYTES, parseNpyHeader } from '../formats/npy.ts';
import { readNpzArray, readNpzMembers } from '../formats/npz.ts';
import { readExactly } from '../formats/read-exactly.ts';
import type { ArrayFormat } from './file-names.ts';

/** An array in memory, whole. */
export interface WholeArray {
  shape: readonly number[];
  dtype: Dtype;
  /** Of a .b2nd file. */
  block?: LargestBlock;
  /** Elements in C order. */
  data: Float32Array | Float16Array | Int16Array | Int8Array | Uint8Array;
}

const REMEDY = "Run nnU-Net's preprocessing again for this case";
/** A file with larger blocks is none of nnU-Net's, and would take three times as much memory. */
const LARGEST_BLOCK = 512 * 1024 ** 2;
const ELEMENTS = { '<f4': Float32Array, '<f2': Float16Array, '<i2': Int16Array, '|i1': Int8Array, '|u1': Uint8Array } as const;

/** Reads all of an array. @param member its name in an .npz. @throws StoreError, FileError */
export function readArray(path: string, format: ArrayFormat, member: 'data' | 'seg'): WholeArray {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const { dtype, bytes, ...about } = readBytes(path, fd, format, member);
    if (!Object.hasOwn(ELEMENTS, dtype)) throw new StoreError(path, `its numbers are ${dtype}`, REMEDY);
    const Elements = ELEMENTS[dtype as Dtype];
    // A copy where they begin at an odd address.
    const aligned = bytes.byteOffset % Elements.BYTES_PER_ELEMENT === 0 ? bytes : Uint8Array.from(bytes);
    return {
      ...about,
      dtype: dtype as Dtype,
      data: new Elements(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / Elements.BYTES_PER_ELEMENT),
    };
  } catch (error) {
    throw fileError(path, error);
  } finally {
    closeSync(fd);
  }
}

/** Labels of a case, as integers of at most 16 bits. */
export function readSegmentation(path: string, format: ArrayFormat): Int8Array | Int16Array {
  const { data } = readArray(path, format, 'seg');
  return data instanceof Int8Array || data instanceof Int16Array ? data : Int16Array.from(data);
}

function readBytes(
  path: string,
  fd: number,
  format: ArrayFormat,
  member: string,
): Omit<WholeArray, 'data' | 'dtype'> & { dtype: string; bytes: Uint8Array } {
  if (format === 'b2nd') {
    const array = new B2ndArray(path, fd);
    const { shape, dtype, blockBytes } = array.head;
    if (blockBytes > LARGEST_BLOCK) throw new StoreError(path, `its blocks hold ${blockBytes} bytes`, REMEDY);
    return {
      shape,
      dtype,
      block: blockOf(array.head),
      bytes: denseReader(blockBytes).read(array, { lower: [0, 0, 0, 0], upper: array.grid.shape }),
    };
  }
  if (format === 'npz') {
    const found = readNpzMembers(path, fd).get(member);
    if (found === undefined) throw new StoreError(path, `it has no array "${member}"`, REMEDY);
    const whole = readNpzArray(path, fd, found);
    const { dtype, offset, shape } = parseNpyHeader(path, whole);
    return { shape, dtype, bytes: exactly(path, whole.subarray(offset), voxels(shape) * DTYPES[dtype]) };
  }
  const head = Buffer.alloc(Math.min(NPY_HEADER_BYTES, fstatSync(fd).size));
  const file = { path, fd, remedy: REMEDY };
  readExactly(file, head, 0, head.length, 0);
  const { dtype, offset, shape } = parseNpyHeader(path, head);
  const bytes = new Uint8Array(fstatSync(fd).size - offset);
  readExactly(file, exactly(path, bytes, voxels(shape) * DTYPES[dtype]), 0, bytes.length, offset);
  return { shape, dtype, bytes };
}

/** One of this thread's, for blocks up to its size: a memory is not given back before somebody collects garbage. */
let kept: { blockBytes: number; reader: DenseReader } | undefined;

function denseReader(blockBytes: number): DenseReader {
  if (kept === undefined || kept.blockBytes < blockBytes) kept = { blockBytes, reader: new DenseReader(blockBytes) };
  return kept.reader;
}

function exactly(path: string, bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  throw new StoreError(path, `it holds ${bytes.length} bytes of voxels instead of ${length}`, REMEDY);
}
