import type { FileHandle } from 'node:fs/promises';
import { CaseError } from '../../common/errors.ts';
import { MOST_AT_ONCE } from '../volume.ts';

/** A page as its directory describes it: blocks are strips, or tiles. */
export interface TiffPage {
  width: number;
  height: number;
  /** Numbers a pixel; planar: all of one kind, then all of the next. */
  samples: number;
  planar: boolean;
  bits: number;
  /** 1: whole numbers, 2: with a sign, 3: floats. */
  format: number;
  compression: number;
  predictor: number;
  tiled: boolean;
  blockWidth: number;
  blockHeight: number;
  starts: number[];
  lengths: number[];
  note: string;
}

export interface TiffDirectory {
  littleEndian: boolean;
  fileBytes: number;
  /** Those that are like the first one: others are previews. */
  pages: TiffPage[];
}

/** Tags (TIFF 6.0, and SGI's for pages that are volumes). */
const TAG = {
  ...{ width: 256, height: 257, bits: 258, compression: 259, note: 270, stripStarts: 273, samples: 277, rows: 278, stripLengths: 279 },
  ...{ planar: 284, predictor: 317, tileWidth: 322, tileHeight: 323, tileStarts: 324, tileLengths: 325, format: 339, depth: 32997 },
};
/** Bytes of a value by its type; those that are read: bytes, text, short, long, and long of 64 bits. */
const TYPES: Record<number, number> = { 1: 1, 2: 1, 3: 2, 4: 4, 16: 8 };
const CLASSIC = 42;
const BIG = 43;

/** Reads the directories of all pages. @throws CaseError for a file that is no TIFF, cut off, or closed to a ring */
export async function readTiffDirectory(path: string, file: FileHandle): Promise<TiffDirectory> {
  const { size: fileBytes } = await file.stat();
  const fail = (what: string): never => {
    throw new CaseError(path, what, 'Write it again, for example with tifffile.imwrite');
  };
  const bytesAt = async (position: number, length: number): Promise<DataView> => {
    if (position + length > fileBytes || length > MOST_AT_ONCE)
      fail(`it is cut off or damaged: bytes from ${position} to ${position + length} are missing`);
    const bytes = new Uint8Array(length);
    await file.read(bytes, 0, length, position);
    return new DataView(bytes.buffer);
  };
  const head = fileBytes < 16 ? new DataView(new ArrayBuffer(16)) : await bytesAt(0, 16);
  const order = head.getUint16(0);
  const littleEndian = order === 0x4949;
  const version = head.getUint16(2, littleEndian);
  if ((!littleEndian && order !== 0x4d4d) || (version !== CLASSIC && version !== BIG)) return fail('it is not a TIFF image');
  const big = version === BIG;
  const long = (view: DataView, at: number): number =>
    big ? Number(view.getBigUint64(at, littleEndian)) : view.getUint32(at, littleEndian);
  const [countBytes, entryBytes, longBytes] = big ? [8, 20, 8] : [2, 12, 4];

  const readPage = async (position: number): Promise<{ page: TiffPage; next: number }> => {
    const counted = await bytesAt(position, countBytes);
    const count = big ? long(counted, 0) : counted.getUint16(0, littleEndian);
    const view = await bytesAt(position + countBytes, entryBytes * count + longBytes);
    const values = new Map<number, number[]>();
    for (let at = 0; at < entryBytes * count; at += entryBytes) {
      const [tag, bytes, length] = [view.getUint16(at, littleEndian), TYPES[view.getUint16(at + 2, littleEndian)], long(view, at + 4)];
      if (!Object.values(TAG).includes(tag) || bytes === undefined) continue;
      const inline = at + 4 + longBytes;
      const there = bytes * length > longBytes;
      const held = there ? await bytesAt(long(view, inline), bytes * length) : view;
      values.set(tag, numbersOf(held, { at: there ? 0 : inline, bytes, length }, littleEndian));
    }
    return { page: pageOf(values), next: long(view, entryBytes * count) };
  };

  const pages: TiffPage[] = [];
  const met = new Set<number>();
  for (let next = long(head, big ? 8 : 4); next !== 0; ) {
    if (met.has(next)) fail(`its page ${met.size} leads back to one before it`);
    met.add(next);
    const found = await readPage(next);
    if (pages.length === 0 || kindOf(found.page) === kindOf(pages[0])) pages.push(found.page);
    next = found.next;
  }
  if (pages.length === 0) fail('it has no page');
  return { littleEndian, fileBytes, pages };

  function pageOf(values: Map<number, number[]>): TiffPage {
    const one = (tag: number, otherwise: number): number => values.get(tag)?.[0] ?? otherwise;
    const [width, height, samples] = [one(TAG.width, 0), one(TAG.height, 0), one(TAG.samples, 1)];
    const tiled = values.has(TAG.tileStarts);
    if (one(TAG.depth, 1) !== 1) fail('its pages have a depth');
    return {
      ...{ width, height, samples, tiled },
      planar: samples > 1 && one(TAG.planar, 1) === 2,
      bits: one(TAG.bits, 1),
      format: one(TAG.format, 1),
      compression: one(TAG.compression, 1),
      predictor: one(TAG.predictor, 1),
      blockWidth: tiled ? one(TAG.tileWidth, 0) : width,
      blockHeight: tiled ? one(TAG.tileHeight, 0) : Math.min(height, one(TAG.rows, height)),
      starts: values.get(tiled ? TAG.tileStarts : TAG.stripStarts) ?? [],
      lengths: values.get(tiled ? TAG.tileLengths : TAG.stripLengths) ?? [],
      note: String.fromCharCode(...(values.get(TAG.note) ?? []).slice(0, 20_000)).replace(/\0[\s\S]*$/, ''),
    };
  }
}

function numbersOf(view: DataView, { at, bytes, length }: { at: number; bytes: number; length: number }, littleEndian: boolean): number[] {
  const read = (position: number): number =>
    bytes === 1
      ? view.getUint8(position)
      : bytes === 2
        ? view.getUint16(position, littleEndian)
        : bytes === 4
          ? view.getUint32(position, littleEndian)
          : Number(view.getBigUint64(position, littleEndian));
  return Array.from({ length }, (_, i) => read(at + i * bytes));
}

const kindOf = ({ width, height, samples, bits, format }: TiffPage): string => [width, height, samples, bits, format].join();
