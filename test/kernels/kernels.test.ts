import { describe, expect, it } from 'vitest';
import { bindKernels, KERNEL_BYTES, type Strided } from '../../src/kernels/kernels.ts';

const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
const kernels = bindKernels(memory);
const SOURCE = KERNEL_BYTES;
const TARGET = KERNEL_BYTES + 256 * 1024;

/** Every voxel of a strided box, as byte addresses. */
function* addresses({ pointer, row, plane }: Strided, planes: number, rows: number, count: number, size: number): Generator<number> {
  for (let z = 0; z < planes; z++)
    for (let y = 0; y < rows; y++) for (let x = 0; x < count; x++) yield pointer + z * plane + y * row + x * size;
}

/** Sizes around the vector width, primes, and rows further apart than they are long; pointers at odd places. */
const shapes = [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 97].flatMap((count) => [
  { planes: 1, rows: 1, count, gap: 0, shift: 0 },
  { planes: 3, rows: 5, count, gap: 6, shift: 2 },
]);

function fill(seed: number): Uint8Array {
  const bytes = new Uint8Array(memory.buffer);
  let state = seed;
  for (let i = SOURCE; i < bytes.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

const strided = (pointer: number, rowBytes: number, rows: number): Strided => ({ pointer, row: rowBytes, plane: rows * rowBytes });

describe.each(shapes)('$planes x $rows x $count, gap $gap, shift $shift', ({ planes, rows, count, gap, shift }) => {
  it('copyBox copies the box and nothing else', () => {
    const bytes = fill(count);
    const from = strided(SOURCE + shift, count + gap, rows);
    const to = strided(TARGET + shift, count + 2 * gap, rows);
    const expected = bytes.slice();
    const targets = [...addresses(to, planes, rows, count, 1)];
    [...addresses(from, planes, rows, count, 1)].forEach((address, i) => {
      expected[targets[i]] = bytes[address];
    });
    kernels.copyBox(from, to, planes, rows, count);
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
  });

  it('fillBox fills the box and nothing else', () => {
    const bytes = fill(count + 2);
    const to = strided(TARGET + shift, count + gap, rows);
    const expected = bytes.slice();
    for (const address of addresses(to, planes, rows, count, 1)) expected[address] = 255;
    kernels.fillBox(to, planes, rows, count, 255);
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
  });

  it.each(['widenLabels', 'copyLabels'] as const)('%s copies labels, nothing else, and sees foreground', (name) => {
    const size = name === 'widenLabels' ? 1 : 2;
    const bytes = fill(count + 1);
    const view = new DataView(memory.buffer);
    const read = (address: number): number => (size === 1 ? view.getInt8(address) : view.getInt16(address, true));
    const from = strided(SOURCE + shift, count * size + gap, rows);
    const to = strided(TARGET + shift, 2 * count + 2 * gap, rows);
    const sources = [...addresses(from, planes, rows, count, size)];
    const targets = [...addresses(to, planes, rows, count, 2)];

    const expected = bytes.slice();
    const expectedView = new DataView(expected.buffer);
    sources.forEach((address, i) => void expectedView.setInt16(targets[i], read(address), true));
    const foreground = kernels[name](from, to, planes, rows, count);
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
    expect(foreground).toBe(sources.some((address) => read(address) > 0));

    // Background and -1 alone, then one foreground voxel at each end and in the middle.
    const set = (address: number, label: number): void => (size === 1 ? view.setInt8(address, label) : view.setInt16(address, label, true));
    sources.forEach((address, i) => void set(address, i % 2 === 0 ? 0 : -1));
    expect(kernels[name](from, to, planes, rows, count)).toBe(false);
    for (const at of [0, Math.floor(sources.length / 2), sources.length - 1]) {
      const before = read(sources[at]);
      set(sources[at], 1);
      expect(kernels[name](from, to, planes, rows, count), `foreground at ${at}`).toBe(true);
      set(sources[at], before);
    }
  });
});
