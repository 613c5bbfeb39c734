import { CaseError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import type { Raster, RasterHead } from './raster.ts';

/** Where a file has its fields, in bytes. */
const AT = { voxels: 10, headerBytes: 14, width: 18, height: 22, bits: 28, compression: 30, colours: 46, masks: 54 };
const FILE_HEADER_BYTES = 14;
/** Bytes of the headers that have these fields. */
const HEADERS = [40, 52, 56, 64, 108, 124];
const RAW = 0;
const BIT_FIELDS = 3;
const RED_GREEN_BLUE = [0xff0000, 0xff00, 0xff];
const ALPHA = 0xff000000;

interface Layout {
  width: number;
  height: number;
  bits: number;
  /** Rows from the top to the bottom, other than usual. */
  downwards: boolean;
  offset: number;
  /** Red, green and blue; null where the palette says that numbers are shades of gray. */
  palette: number[][] | null;
  alpha: boolean;
}

/** Reads the header of a BMP. @throws CaseError */
export function parseBmp(path: string, start: Buffer, fileBytes: number): RasterHead {
  const { width, height, bits, offset, palette, alpha } = layoutOf(path, start);
  const channels = bits > 8 || palette !== null ? (alpha ? 4 : 3) : 1;
  return {
    shape: channels === 1 ? [height, width] : [height, width, channels],
    voxelBytes: height * rowBytes(width, bits),
    offset,
    fileBytes,
    compressed: false,
  };
}

/** As Pillow has it, through which nnU-Net reads: colours for a palette, unless they are the shades of gray; without the fourth byte of 32 bits. */
export function decodeBmp(path: string, bytes: Buffer): Raster {
  const { shape } = parseBmp(path, bytes, bytes.length);
  const { width, height, bits, downwards, offset, palette } = layoutOf(path, bytes);
  const [, , channels = 1] = shape;
  const row = rowBytes(width, bits);
  const data = new Uint8Array(voxels(shape));
  for (let y = 0, i = 0; y < height; y++) {
    const start = offset + (downwards ? y : height - 1 - y) * row;
    for (let x = 0; x < width; x++, i += channels) {
      if (bits <= 8) {
        const bit = x * bits;
        const value = (bytes[start + (bit >> 3)] >> (8 - bits - (bit & 7))) & (2 ** bits - 1);
        if (palette === null) data[i] = value;
        else data.set(palette[value] ?? [0, 0, 0], i);
      } else {
        const at = start + (x * bits) / 8;
        [data[i], data[i + 1], data[i + 2]] = [bytes[at + 2], bytes[at + 1], bytes[at]];
        if (channels === 4) data[i + 3] = bytes[at + 3];
      }
    }
  }
  return { shape, data };
}

/** Rows are filled up to four bytes. */
function rowBytes(width: number, bits: number): number {
  return 4 * Math.ceil((width * bits) / 32);
}

function layoutOf(path: string, bytes: Buffer): Layout {
  const headerBytes = bytes.length > AT.masks && bytes.toString('latin1', 0, 2) === 'BM' ? bytes.readUInt32LE(AT.headerBytes) : 0;
  const refuse = (what: string): never => {
    throw new CaseError(path, what, 'Write it with 1, 4, 8, 24 or 32 bits, not compressed, or as PNG');
  };
  if (!HEADERS.includes(headerBytes)) return refuse('it is not a BMP image, or one with a header that is not known here');
  const height = bytes.readInt32LE(AT.height);
  const bits = bytes.readUInt16LE(AT.bits);
  const compression = bytes.readUInt32LE(AT.compression);
  const masks = RED_GREEN_BLUE.map((_, i) => (bytes.length >= AT.masks + 16 ? bytes.readUInt32LE(AT.masks + 4 * i) : 0));
  const known = compression === RAW || (compression === BIT_FIELDS && bits === 32 && RED_GREEN_BLUE.every((mask, i) => masks[i] === mask));
  if (![1, 4, 8, 24, 32].includes(bits) || !known) return refuse(`it has ${bits} bits a pixel and compression ${compression}`);
  const colours = bits > 8 ? 0 : bytes.readUInt32LE(AT.colours) || 2 ** bits;
  const start = FILE_HEADER_BYTES + headerBytes;
  if (colours > 256 || bytes.length < start + 4 * colours) return refuse(`it ends before its palette of ${colours} colours does`);
  const palette = Array.from({ length: colours }, (_, i) => [2, 1, 0].map((part) => bytes[start + 4 * i + part]));
  const shades = palette.every((colour, i) => colour.every((part) => part === (colours === 2 ? 255 * i : i)));
  return {
    width: bytes.readInt32LE(AT.width),
    height: Math.abs(height),
    bits,
    downwards: height < 0,
    offset: bytes.readUInt32LE(AT.voxels),
    palette: bits > 8 || shades ? null : palette,
    alpha: compression === BIT_FIELDS && headerBytes >= 56 && bytes.readUInt32LE(AT.masks + 12) === ALPHA,
  };
}

/** Labels as a BMP of shades of gray. @param data [y, x] */
export function encodeBmp(data: Uint8Array, [height, width]: readonly number[]): Buffer {
  const row = rowBytes(width, 8);
  const offset = FILE_HEADER_BYTES + HEADERS[0] + 4 * 256;
  const file = Buffer.alloc(offset + height * row);
  file.write('BM', 0, 'latin1');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(offset, AT.voxels);
  file.writeUInt32LE(HEADERS[0], AT.headerBytes);
  file.writeInt32LE(width, AT.width);
  file.writeInt32LE(height, AT.height);
  file.writeUInt16LE(1, AT.bits - 2);
  file.writeUInt16LE(8, AT.bits);
  file.writeUInt32LE(256, AT.colours);
  for (let shade = 0; shade < 256; shade++) file.fill(shade, AT.masks + 4 * shade, AT.masks + 4 * shade + 3);
  for (let y = 0; y < height; y++) file.set(data.subarray(y * width, (y + 1) * width), offset + (height - 1 - y) * row);
  return file;
}
