import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fileError, StoreError } from '../../common/errors.ts';
import type { Checksum } from '../../common/hash.ts';
import { blockOf, type LargestBlock, readB2ndHead } from '../../formats/b2nd/head.ts';
import { DTYPES, type Dtype, NPY_HEADER_BYTES, parseNpyHeader } from '../../formats/npy.ts';
import { readNpzHeader, readNpzMembers } from '../../formats/npz.ts';
import type { ArrayFormat } from '../file-names.ts';
import type { StoredFile } from '../sidecar.ts';

/** What an array's file says of it, and a checksum that other contents would have changed, most likely. */
export interface ArrayHead {
  shape: number[];
  dtype: Dtype;
  file: StoredFile;
  /** Of a .b2nd file. */
  block: LargestBlock | null;
}

/** Where nothing in a file tells contents apart, so many pieces of so many bytes do, evenly spaced. */
const PIECES = 64;
const PIECE_BYTES = 4096;

/** Reads no more than the head of an array. @param member its name in an .npz. @throws StoreError, FileError */
export function readArrayHead(path: string, format: ArrayFormat, member: 'data' | 'seg', checksum: Checksum): ArrayHead {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const { size } = fstatSync(fd);
    const head = readers[format](path, fd, member, checksum);
    return { shape: head.shape, dtype: dtypeOf(path, head.dtype), file: { bytes: size, xxh64: head.xxh64 }, block: head.block ?? null };
  } catch (error) {
    throw fileError(path, error);
  } finally {
    closeSync(fd);
  }
}

type ReadHead = (
  path: string,
  fd: number,
  member: string,
  checksum: Checksum,
) => { shape: number[]; dtype: string; xxh64: string; block?: LargestBlock };

const readers: Record<ArrayFormat, ReadHead> = {
  b2nd: (path, fd, _, checksum) => {
    const { headerBytes, indexBytes, ...head } = readB2ndHead(path, fd);
    return { ...head, xxh64: checksum(headerBytes, indexBytes), block: blockOf(head) };
  },
  npy: (path, fd, _, checksum) => {
    const { size } = fstatSync(fd);
    const piece = (i: number): Buffer => readPiece(fd, Math.floor((i * Math.max(0, size - PIECE_BYTES)) / (PIECES - 1)));
    const { shape, dtype } = parseNpyHeader(path, readPiece(fd, 0).subarray(0, NPY_HEADER_BYTES));
    return { shape, dtype, xxh64: checksum(...Array.from({ length: PIECES }, (_, i) => piece(i))) };
  },
  npz: (path, fd, name, checksum) => {
    const member = readNpzMembers(path, fd).get(name);
    if (member === undefined) throw new StoreError(path, `it has no array "${name}"`, "Run nnU-Net's preprocessing again for this case");
    const { shape, dtype } = readNpzHeader(path, fd, member);
    return { shape, dtype, xxh64: checksum(String(member.crc32)) };
  },
};

function readPiece(fd: number, position: number): Buffer {
  const piece = Buffer.alloc(PIECE_BYTES);
  return piece.subarray(0, readSync(fd, piece, 0, PIECE_BYTES, position));
}

function dtypeOf(path: string, dtype: string): Dtype {
  if (Object.hasOwn(DTYPES, dtype)) return dtype as Dtype;
  throw new StoreError(
    path,
    `its numbers are ${dtype}`,
    `nnU-Net writes float32 images and int16 labels; ${Object.keys(DTYPES).join(', ')} are read`,
  );
}
