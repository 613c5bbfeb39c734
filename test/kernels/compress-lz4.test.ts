import { expect, test } from 'vitest';
import { COMPRESS_SCRATCH_BYTES } from '../../src/kernels/compression.ts';
import { Areas, kernelSpace } from '../../src/kernels/kernel-space.ts';

const LARGEST = 200_000;
const areas = new Areas();
const [source, target, scratch] = [LARGEST, 2 * LARGEST, COMPRESS_SCRATCH_BYTES].map((bytes) => areas.take(bytes));
const { kernels, buffer } = kernelSpace(areas.end);
const memory = new Uint8Array(buffer);

function compress(bytes: Uint8Array, capacity = bytes.length): Uint8Array | null {
  memory.set(bytes, source);
  memory.fill(0xaa, target + capacity, target + capacity + 64);
  const length = kernels.compressLz4(source, bytes.length, target, capacity, scratch);
  expect(memory.subarray(target + capacity, target + capacity + 64).every((byte) => byte === 0xaa)).toBe(true);
  return length === 0 ? null : memory.slice(target, target + length);
}

/** As the format is described (lz4_Block_format.md), with what it demands of the end of a block. */
function decompress(block: Uint8Array): Uint8Array {
  const out: number[] = [];
  let at = 0;
  const length = (base: number): number => {
    let sum = base;
    if (base === 15) for (let byte = 255; byte === 255; sum += byte) byte = block[at++];
    return sum;
  };
  let lastMatch = 0;
  let literals = 0;
  for (;;) {
    const token = block[at++];
    literals = length(token >> 4);
    for (let i = 0; i < literals; i++) out.push(block[at++]);
    if (at === block.length) break;
    const distance = block[at] | (block[at + 1] << 8);
    at += 2;
    if (distance === 0 || distance > out.length || at > block.length) throw new RangeError(`a distance of ${distance} at ${out.length}`);
    lastMatch = out.length;
    for (let left = length(token & 15) + 4; left > 0; left--) out.push(out[out.length - distance]);
  }
  if (lastMatch > 0 && (literals < 5 || out.length - lastMatch < 12)) throw new RangeError('the last match ends too late');
  return Uint8Array.from(out);
}

/** Numbers that are the same in every run. */
function* random(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    yield state >>> 8;
  }
}

function make(count: number, value: (i: number, random: () => number) => number, seed = 1): Uint8Array {
  const numbers = random(seed);
  return Uint8Array.from({ length: count }, (_, i) => value(i, () => numbers.next().value));
}

test.each<[string, Uint8Array, most: number]>([
  ['one value', make(131_072, () => 7), 530],
  ['a ramp', make(131_072, (i) => i), 800],
  ['two values by turns', make(131_072, (i) => (i & 1 ? 255 : 0)), 530],
  ['rows of a disc', make(65_536, (i) => (((i % 256) - 128) ** 2 + ((i >> 8) - 128) ** 2 < 8000 ? 1 : 0)), 3000],
  ['few values at random', make(60_000, (_, random) => random() % 3), 28_000],
  ['repeats beyond the window', make(140_000, (i) => (Math.imul(i % 70_000, 2654435761) >>> 13) & 255), 140_000],
])('%s', (_, bytes, most) => {
  const block = compress(bytes) as Uint8Array;
  expect(decompress(block)).toEqual(bytes);
  expect(block.length).toBeLessThan(most);
});

test('noise does not fit', () => {
  expect(compress(make(10_000, (_, random) => random()))).toBe(null);
});

test('whatever it is, it comes back', () => {
  const numbers = random(5);
  const next = (below: number): number => numbers.next().value % below;
  for (let round = 0; round < 200; round++) {
    const [count, values, stretch] = [next(3000), 1 + next(6), 1 + next(40)];
    const bytes = new Uint8Array(count);
    // Parts copied from before, with new values between.
    for (let i = 0; i < count; ) {
      const length = Math.min(1 + next(stretch), count - i);
      if (i > 0 && next(3) > 0) {
        const from = next(i);
        bytes.copyWithin(i, from, Math.min(i, from + length));
        i += length;
      } else for (let end = i + length; i < end; i++) bytes[i] = next(values);
    }
    const block = compress(bytes, count + 64) as Uint8Array;
    expect(decompress(block)).toEqual(bytes);
    expect(compress(bytes, block.length - 1)).toBe(null);
    expect(compress(bytes, block.length + 12)).toEqual(block);
  }
});

test('shuffle: bytes of the same rank together', () => {
  for (const [bytes, count] of [
    [4, 37],
    [2, 70],
    [4, 16],
    [1, 5],
  ]) {
    const elements = make(bytes * count, (_, random) => random());
    memory.set(elements, source);
    kernels.shuffle(source, target, count, bytes);
    const expected = Uint8Array.from({ length: bytes * count }, (_, i) => elements[(i % count) * bytes + Math.floor(i / count)]);
    expect(memory.slice(target, target + bytes * count)).toEqual(expected);
  }
});

test('a run is all the same', () => {
  for (const count of [1, 15, 16, 17, 100]) {
    memory.fill(3, source, source + count);
    memory[source + count] = 4;
    expect(kernels.isRun(source, count)).toBe(true);
    expect(kernels.isRun(source, count + 1)).toBe(false);
  }
});
