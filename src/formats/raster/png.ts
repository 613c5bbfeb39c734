import { type DecodedPng, decode } from 'fast-png';
import { CaseError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import { inflateSync } from '../../common/zlib.ts';
import type { Raster, RasterHead } from './raster.ts';

const SIGNATURE = '\x89PNG\r\n\x1a\n';
/** Where the header chunk has its fields, in bytes. */
const AT = { width: 16, height: 20, depth: 24, kind: 25 };
/** Numbers a pixel in the file and as Pillow has them, by the kind of colours. */
const KINDS: Record<number, { stored: number; read: number }> = {
  0: { stored: 1, read: 1 },
  2: { stored: 3, read: 3 },
  3: { stored: 1, read: 3 },
  4: { stored: 2, read: 2 },
  6: { stored: 4, read: 4 },
};

/** Reads the header of a PNG. @throws CaseError */
export function parsePng(path: string, start: Buffer, fileBytes: number): RasterHead {
  const kind = start.length > AT.kind && start.toString('latin1', 0, SIGNATURE.length) === SIGNATURE ? KINDS[start[AT.kind]] : undefined;
  if (kind === undefined) throw new CaseError(path, 'it is not a PNG image', 'Convert it to PNG, or correct "file_ending"');
  const [width, height, depth] = [start.readUInt32BE(AT.width), start.readUInt32BE(AT.height), start[AT.depth]];
  return {
    shape: kind.read === 1 ? [height, width] : [height, width, kind.read],
    voxelBytes: height * Math.ceil((width * kind.stored * depth) / 8),
    offset: 0,
    fileBytes,
    compressed: true,
  };
}

/**
 * As Pillow has it, through which nnU-Net reads: colours for a palette, whose transparency does not count; the upper byte of colours of 16
 * bits; gray of 2 and 4 bits spread over 8, that of 1 bit as 0 and 1.
 * @throws CaseError
 */
export function decodePng(path: string, bytes: Buffer): Raster {
  const { shape, voxelBytes } = parsePng(path, bytes, bytes.length);
  let png: DecodedPng;
  try {
    checkInflated(bytes, voxelBytes, bytes.readUInt32BE(AT.height));
    png = decode(bytes, { checkCrc: true });
  } catch (error) {
    throw new CaseError(path, `it is damaged or cut off (${(error as Error).message})`, 'Copy the file again from its source', {
      cause: error,
    });
  }
  const { data, depth, palette, channels } = png;
  if (shape[2] === 3 && channels === 1 && (palette === undefined || palette.length === 0))
    throw new CaseError(path, 'its colours are numbers of a palette, and it has none', 'Copy the file again from its source');
  if (palette !== undefined && palette.length > 0 && shape[2] === 3 && channels === 1) {
    const colours = new Uint8Array(voxels(shape));
    for (const [i, index] of unpacked(png).entries()) colours.set((palette[index] ?? [0, 0, 0]).slice(0, 3), 3 * i);
    return { shape, data: colours };
  }
  if (depth === 16) return { shape, data: channels === 1 ? data : Uint8Array.from(data, (value) => value >> 8) };
  if (depth === 8) return { shape, data };
  const spread = depth === 1 ? 1 : 255 / (2 ** depth - 1);
  return { shape, data: unpacked(png).map((value) => value * spread) };
}

/** fast-png would inflate whatever there is. @throws Error for more than the header announces */
function checkInflated(bytes: Buffer, voxelBytes: number, height: number): void {
  const parts: Buffer[] = [];
  for (let at = SIGNATURE.length; at + 8 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  }
  // A byte more a row, and of an interlaced image seven passes whose rows are rounded up.
  inflateSync(Buffer.concat(parts), { maxOutputLength: 2 * voxelBytes + 16 * height + 1024 });
}

/** One number a byte, where a byte holds several; rows begin with a new one. */
function unpacked({ data, depth, width, height }: DecodedPng): Uint8Array {
  if (depth >= 8) return Uint8Array.from(data);
  const rowBytes = Math.ceil((width * depth) / 8);
  const result = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      result[i++] = (data[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  return result;
}
