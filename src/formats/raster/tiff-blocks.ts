import { unzipSync, zstdDecompressSync } from '../../common/zlib.ts';
import type { TiffPage } from './tiff-directory.ts';

/** How blocks are packed (tag 259): by what, and the most that it makes of a byte where that is known. */
export const COMPRESSIONS: Record<number, { unpack: (block: Buffer, length: number) => Uint8Array; most: number | null }> = {
  1: { unpack: (block) => block, most: 1 },
  5: { unpack: unpackLzw, most: null },
  8: { unpack: inflate, most: 1032 },
  32946: { unpack: inflate, most: 1032 },
  32773: { unpack: unpackBits, most: 64 },
  50000: { unpack: (block, length) => zstdDecompressSync(block, { maxOutputLength: length }), most: null },
};

function inflate(block: Buffer, length: number): Uint8Array {
  return unzipSync(block, { maxOutputLength: Math.max(length, 1) });
}

/** Runs of bytes: n + 1 as they are, or one 1 - n times. */
function unpackBits(block: Buffer, length: number): Uint8Array {
  const result = new Uint8Array(length);
  let done = 0;
  for (let at = 0; at < block.length && done < length; ) {
    const n = block.readInt8(at++);
    if (n >= 0) {
      const part = block.subarray(at, Math.min(at + n + 1, at + length - done));
      result.set(part, done);
      done += part.length;
      at += n + 1;
    } else if (n !== -128) {
      result.fill(block[at++] ?? 0, done, done + 1 - n);
      done = Math.min(length, done + 1 - n);
    }
  }
  return result.subarray(0, done);
}

const CLEAR = 256;
const END = 257;
const MOST_CODES = 4096;

/** Codes of 9 to 12 bits, the highest bit first; each says a run of bytes that was met before, and one more. */
function unpackLzw(block: Buffer, length: number): Uint8Array {
  const result = new Uint8Array(length);
  // Where the run of each code lies in the result, and how long it is.
  const [starts, lengths] = [new Float64Array(MOST_CODES), new Float64Array(MOST_CODES)];
  let [codes, width, bits, held, done] = [END + 1, 9, 0, 0, 0];
  let previous: { start: number; length: number } | null = null;
  for (let at = 0; done < length; ) {
    while (bits < width && at < block.length) {
      held = ((held << 8) | block[at++]) & 0xffffff;
      bits += 8;
    }
    if (bits < width) break;
    bits -= width;
    const code = (held >> bits) & ((1 << width) - 1);
    if (code === END) break;
    if (code === CLEAR) {
      [codes, width, previous] = [END + 1, 9, null];
      continue;
    }
    const start = done;
    if (code < CLEAR) result[done++] = code;
    else if (code < codes) for (let i = 0; i < lengths[code] && done < length; i++) result[done++] = result[starts[code] + i];
    else if (code === codes && previous !== null) {
      for (let i = 0; i < previous.length && done < length; i++) result[done++] = result[previous.start + i];
      if (done < length) result[done++] = result[start];
    } else break;
    if (previous !== null && codes < MOST_CODES) {
      // The run before and the first byte of this one lie side by side.
      starts[codes] = previous.start;
      lengths[codes++] = previous.length + 1;
      if (codes + 1 >= 1 << width && width < 12) width++;
    }
    previous = { start, length: done - start };
  }
  return result.subarray(0, done);
}

type Whole = Uint8Array | Uint16Array | Uint32Array;

/** Undoes what was done to rows before they were packed (tag 317). @param bytes rows of `row` numbers, of the machine's byte order */
export function undoPredictor(bytes: Uint8Array, { predictor, bits, samples, planar }: TiffPage, row: number): void {
  const size = bits / 8;
  const step = planar ? 1 : samples;
  if (predictor === 2) {
    const Type = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size] as new (
      buffer: ArrayBufferLike,
      at: number,
      length: number,
    ) => Whole;
    const numbers = new Type(bytes.buffer, bytes.byteOffset, bytes.length / size);
    for (let start = 0; start < numbers.length; start += row)
      for (let i = start + step; i < start + row; i++) numbers[i] += numbers[i - step];
  }
  if (predictor === 3) {
    const line = new Uint8Array(row * size);
    for (let start = 0; start < bytes.length; start += line.length) {
      line.set(bytes.subarray(start, start + line.length));
      for (let i = step; i < line.length; i++) line[i] += line[i - step];
      // All highest bytes come first, then all next ones.
      for (let i = 0; i < row; i++)
        for (let part = 0; part < size; part++) bytes[start + i * size + part] = line[(size - 1 - part) * row + i];
    }
  }
}
