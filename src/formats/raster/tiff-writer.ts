import { deflateSync } from '../../common/zlib.ts';
import { bytesOf, type LabelVoxels } from '../label-voxels.ts';

/** Tags of a page, ascending, and the kinds of their values. */
const TAGS = { width: 256, height: 257, bits: 258, compression: 259, colours: 262, note: 270, offset: 273, rows: 278, bytes: 279 };
const TEXT = 2;
const SHORT = 3;
const LONG = 4;
const DEFLATE = 8;
const BLACK_IS_ZERO = 1;
const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;

/**
 * Labels as a TIFF, little endian, each page deflated. tifffile's note of the shape lies in it, so that a stack of one page stays one.
 * @param shape [y, x] or [z, y, x]
 * @returns the parts of the file
 */
export function encodeTiff(labels: LabelVoxels, shape: readonly number[]): Uint8Array[] {
  const [height, width] = shape.slice(-2);
  const pages = labels.length / (height * width);
  const note = Buffer.from(`{"shape": [${shape.join(', ')}]}\0`, 'latin1');
  const parts = [Buffer.from('II*\0\0\0\0\0', 'latin1'), padded(note)];
  let at = HEADER_BYTES + parts[1].length;
  /** Where it stands at which byte the next page is described. */
  let next = parts[0].subarray(4);
  for (let page = 0; page < pages; page++) {
    const strip = padded(deflateSync(bytesOf(labels.slice(page * height * width, (page + 1) * height * width))));
    const entries = [
      [TAGS.width, LONG, 1, width],
      [TAGS.height, LONG, 1, height],
      [TAGS.bits, SHORT, 1, 8 * labels.BYTES_PER_ELEMENT],
      [TAGS.compression, SHORT, 1, DEFLATE],
      [TAGS.colours, SHORT, 1, BLACK_IS_ZERO],
      ...(page === 0 ? [[TAGS.note, TEXT, note.length, HEADER_BYTES]] : []),
      [TAGS.offset, LONG, 1, at],
      [TAGS.rows, LONG, 1, height],
      [TAGS.bytes, LONG, 1, strip.length],
    ];
    const directory = Buffer.alloc(2 + ENTRY_BYTES * entries.length + 4);
    directory.writeUInt16LE(entries.length);
    for (const [i, [tag, kind, count, value]] of entries.entries()) {
      const entry = 2 + ENTRY_BYTES * i;
      directory.writeUInt16LE(tag, entry);
      directory.writeUInt16LE(kind, entry + 2);
      directory.writeUInt32LE(count, entry + 4);
      directory.writeUInt32LE(value, entry + 8);
    }
    next.writeUInt32LE(at + strip.length);
    next = directory.subarray(-4);
    parts.push(strip, directory);
    at += strip.length + directory.length;
  }
  return parts;
}

/** Offsets are even. */
function padded(bytes: Buffer): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
}
