import { describe, expect, it } from 'vitest';
import { bindKernels, KERNEL_BYTES } from '../../src/kernels/kernels.ts';

const PAGES = 3;
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
const kernels = bindKernels(memory);
const bytes = new Uint8Array(memory.buffer);
/** The last byte of the memory: what reads or writes beyond it traps. */
const END = PAGES * 65536;

let state = 5;
function below(n: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

/** A stream and what it decodes to. */
interface Coded {
  stream: number[];
  out: number[];
}

/** Lengths around those that are coded otherwise, and around a vector. */
const length = (least: number): number => least + [0, 1, 3, 7, 10, 11, 14, 15, 16, 17, 31, 32, 40, 269, 270, 271, 525][below(17)];

function copyBack(out: number[], distance: number, count: number): void {
  for (let i = 0; i < count; i++) out.push(out[out.length - distance]);
}

/** Of random sequences: literals, and matches at any distance, last literals alone. */
function randomLz4(sequences: number): Coded {
  const [stream, out]: number[][] = [[], []];
  const extra = (count: number): number[] => (count < 15 ? [] : [...Array(Math.floor((count - 15) / 255)).fill(255), (count - 15) % 255]);
  for (let i = 0; i < sequences; i++) {
    const literals = Array.from({ length: i === 0 ? length(1) : below(3) ? length(0) : 0 }, () => below(256));
    out.push(...literals);
    const last = i === sequences - 1;
    const match = last ? 4 : length(4);
    stream.push((Math.min(literals.length, 15) << 4) | Math.min(match - 4, 15), ...extra(literals.length), ...literals);
    if (last) break;
    const distance = 1 + below(Math.min(out.length, below(2) ? 20 : 65535));
    stream.push(distance & 255, distance >> 8, ...extra(match - 4));
    copyBack(out, distance, match);
  }
  return { stream, out };
}

function randomBlosclz(sequences: number): Coded {
  const [stream, out]: number[][] = [[], []];
  for (let i = 0; i < sequences; i++) {
    if (i === 0 || below(2)) {
      const literals = Array.from({ length: 1 + below(32) }, () => below(256));
      stream.push(literals.length - 1, ...literals);
      out.push(...literals);
      // The first byte also has the version.
      if (i === 0) stream[0] |= 1 << 5;
    } else {
      const distance = 1 + below(Math.min(out.length, below(2) ? 20 : 9000));
      const count = length(3);
      const far = distance > 8191;
      const [high, low] = far ? [31, 255] : [(distance - 1) >> 8, (distance - 1) & 255];
      const rest = count - 9;
      stream.push((Math.min(count - 2, 7) << 5) | high, ...(rest < 0 ? [] : [...Array(Math.floor(rest / 255)).fill(255), rest % 255]), low);
      if (far) stream.push((distance - 8192) >> 8, (distance - 8192) & 255);
      copyBack(out, distance, count);
    }
  }
  return { stream, out };
}

/** Decodes with what comes before and after both areas known, at the end of the memory either one. */
function decode(kernel: 'lz4' | 'blosclz', stream: number[], size: number, last: 'source' | 'target'): { ok: boolean; out: Uint8Array } {
  bytes.fill(0xa5, KERNEL_BYTES);
  const target = last === 'target' ? END - size : KERNEL_BYTES + 32;
  const source = last === 'source' ? END - stream.length : KERNEL_BYTES + 32;
  bytes.set(stream, source);
  const ok = kernels[kernel](source, stream.length, target, size);
  const touched = (at: number): boolean =>
    (at >= target && at < target + size) || (at >= source && at < source + stream.length) || bytes[at] === 0xa5;
  for (let at = KERNEL_BYTES; at < END; at++) if (!touched(at)) throw new Error(`byte ${at} was written`);
  expect(Array.from(bytes.subarray(source, source + stream.length))).toEqual(stream);
  return { ok, out: bytes.slice(target, target + size) };
}

describe.each([
  ['lz4', randomLz4],
  ['blosclz', randomBlosclz],
] as const)('%s', (kernel, random) => {
  const ends = ['source', 'target'] as const;

  it('decodes every stream to what it stands for', () => {
    for (let i = 0; i < 150; i++) {
      const { stream, out } = random(1 + below(60));
      const { ok, out: decoded } = decode(kernel, stream, out.length, ends[i % 2]);
      expect(ok).toBe(true);
      expect(Buffer.from(decoded).equals(Buffer.from(out))).toBe(true);
    }
  });

  it('refuses streams that are cut off, or hold more or less than is asked for', () => {
    for (let i = 0; i < 100; i++) {
      const { stream, out } = random(2 + below(20));
      const cut = stream.slice(0, below(stream.length));
      expect(decode(kernel, cut, out.length, ends[i % 2]).ok).toBe(false);
      expect(decode(kernel, stream, out.length + 1 + below(40), ends[i % 2]).ok).toBe(false);
      expect(decode(kernel, stream, below(out.length), ends[i % 2]).ok).toBe(false);
    }
  });

  it('stays in its areas, whatever the bytes are', () => {
    for (let i = 0; i < 300; i++) {
      const { stream, out } = random(1 + below(20));
      for (let flips = 1 + below(6); flips > 0; flips--) stream[below(stream.length)] = below(256);
      decode(kernel, stream, out.length, ends[i % 2]);
    }
  });
});

describe('Blosc filters', () => {
  const SOURCE = KERNEL_BYTES;
  const TARGET = KERNEL_BYTES + 32768;
  const lengths = [1, 5, 15, 16, 17, 31, 33, 64, 100, 129].flatMap((count) => [0, 1].map((rest) => ({ count, rest })));
  const elements = [1, 2, 3, 4, 8].flatMap((size) => lengths.map((one) => ({ size, ...one })));

  it.each(elements)('are undone: $count elements of $size bytes, and $rest', ({ size, count, rest }) => {
    const total = count * size + (size > 1 ? rest : 0);
    const original = Uint8Array.from({ length: total }, () => below(256));
    const run = (stored: Uint8Array, kernel: 'unshuffle' | 'unshuffleBits'): Uint8Array => {
      bytes.fill(0xa5, KERNEL_BYTES);
      bytes.set(stored, SOURCE);
      kernels[kernel](SOURCE, TARGET, total, size);
      expect(bytes[TARGET - 1]).toBe(0xa5);
      expect(bytes[TARGET + total]).toBe(0xa5);
      return bytes.slice(TARGET, TARGET + total);
    };

    const shuffled = original.slice();
    for (let i = 0; i < count; i++) for (let byte = 0; byte < size; byte++) shuffled[byte * count + i] = original[i * size + byte];
    expect(run(shuffled, 'unshuffle')).toEqual(original);

    const whole = 8 * Math.floor(count / 8);
    const bits = original.slice();
    bits.fill(0, 0, whole * size);
    for (let i = 0; i < whole; i++)
      for (let bit = 0; bit < 8 * size; bit++)
        bits[(bit * whole) / 8 + (i >> 3)] |= ((original[i * size + (bit >> 3)] >> (bit & 7)) & 1) << (i & 7);
    expect(run(bits, 'unshuffleBits')).toEqual(original);
  });

  it('byte deltas are summed in place, each stream for itself', () => {
    const original = Uint8Array.from({ length: 43 }, () => below(256));
    // Four streams of ten, and three bytes as they are.
    const stored = original.map((byte, i) => (i >= 40 || i % 10 === 0 ? byte : byte - original[i - 1]));
    bytes.fill(0xa5, KERNEL_BYTES);
    bytes.set(stored, SOURCE);
    kernels.sumBytes(SOURCE, 43, 4);
    expect(bytes.slice(SOURCE, SOURCE + 43)).toEqual(original);
    expect(bytes[SOURCE + 43]).toBe(0xa5);
  });
});
