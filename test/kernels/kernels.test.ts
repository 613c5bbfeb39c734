import { describe, expect, it } from 'vitest';
import { bindKernels, KERNEL_BYTES, type Strided, type VoxelType } from '../../src/kernels/kernels.ts';
import { FOUND } from '../../src/kernels/spatial.ts';

const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
const kernels = bindKernels(memory);
const SOURCE = KERNEL_BYTES;
const TARGET = KERNEL_BYTES + 256 * 1024;

/** Every voxel of a strided box, as byte addresses. */
function* addresses({ pointer, row, plane }: Strided, planes: number, rows: number, count: number, size: number): Generator<number> {
  for (let z = 0; z < planes; z++)
    for (let y = 0; y < rows; y++) for (let x = 0; x < count; x++) yield pointer + z * plane + y * row + x * size;
}

/**
 * Sizes around the vector width, primes, and rows further apart than they are long, also so far that they are fetched, or so long that they
 * are where they are read backwards; pointers at odd places.
 */
const shapes = [{ planes: 2, rows: 21, count: 531, gap: 6, shift: 1 }].concat(
  [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 97].flatMap((count) => [
    { planes: 1, rows: 1, count, gap: 0, shift: 0 },
    { planes: 3, rows: 5, count, gap: 6, shift: 2 },
    { planes: 2, rows: 37, count, gap: 600, shift: 1 },
  ]),
);

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

  it('copyImage copies each row from its other end, and nothing else', () => {
    const bytes = fill(count + 3);
    const from = strided(SOURCE + 4 * shift, 4 * (count + gap), rows);
    const to = strided(TARGET + 4 * shift, 4 * (count + 2 * gap), rows);
    const expected = bytes.slice();
    const sources = [...addresses(from, planes, rows, count, 4)];
    [...addresses(to, planes, rows, count, 4)].forEach((address, i) => {
      const column = i % count;
      expected.set(bytes.subarray(sources[i - column + count - 1 - column], sources[i - column + count - 1 - column] + 4), address);
    });
    kernels.copyImage(from, to, planes, rows, count, { bytesPerVoxel: 4 }, true);
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
  });

  it.each([false, true])('copyImage makes float32 of float16, mirrored %s, and nothing else', (mirrored) => {
    const bytes = fill(count + 4);
    const view = new DataView(memory.buffer);
    const from = strided(SOURCE + shift, 2 * count + gap, rows);
    const to = strided(TARGET + shift, 4 * (count + gap), rows);
    const sources = [...addresses(from, planes, rows, count, 2)];
    // Not a number among random bytes: which one of them it becomes is for the machine to say.
    for (const address of sources) if (Number.isNaN(view.getFloat16(address, true))) view.setUint8(address + 1, 0);
    const expected = new DataView(bytes.slice().buffer);
    [...addresses(to, planes, rows, count, 4)].forEach((address, i) => {
      const column = i % count;
      const source = sources[mirrored ? i - column + count - 1 - column : i];
      expected.setFloat32(address, view.getFloat16(source, true), true);
    });
    kernels.copyImage(from, to, planes, rows, count, { bytesPerVoxel: 2, float16: true }, mirrored);
    expect(Buffer.from(bytes).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it.each([false, true])('copyImage makes float32 of int16 on a line, mirrored %s, and nothing else', (mirrored) => {
    const bytes = fill(count + 5);
    const view = new DataView(memory.buffer);
    const from = strided(SOURCE + shift, 2 * count + gap, rows);
    const to = strided(TARGET + shift, 4 * (count + gap), rows);
    const sources = [...addresses(from, planes, rows, count, 2)];
    const line = { offset: Math.fround(-3.3), scale: Math.fround(0.0012345) };
    const expected = new DataView(bytes.slice().buffer);
    [...addresses(to, planes, rows, count, 4)].forEach((address, i) => {
      const column = i % count;
      const stored = view.getInt16(sources[mirrored ? i - column + count - 1 - column : i], true);
      expected.setFloat32(address, line.offset + Math.fround(line.scale * stored), true);
    });
    kernels.copyImage(from, to, planes, rows, count, { bytesPerVoxel: 2, line }, mirrored);
    expect(Buffer.from(bytes).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it.each([
    { size: 1, mirrored: false, unsigned: false },
    { size: 1, mirrored: false, unsigned: true },
    { size: 2, mirrored: false, unsigned: false },
    { size: 1, mirrored: true, unsigned: false },
    { size: 1, mirrored: true, unsigned: true },
    { size: 2, mirrored: true, unsigned: false },
  ])('copyLabels copies labels of $size bytes, unsigned $unsigned, mirrored $mirrored, nothing else, and tells what it saw', (type) => {
    const { size, mirrored, unsigned } = type;
    const bytes = fill(count + 1);
    const view = new DataView(memory.buffer);
    const read = (address: number): number =>
      unsigned ? view.getUint8(address) : size === 1 ? view.getInt8(address) : view.getInt16(address, true);
    const from = strided(SOURCE + shift, count * size + gap, rows);
    const to = strided(TARGET + shift, 2 * count + 2 * gap, rows);
    const sources = [...addresses(from, planes, rows, count, size)];
    const targets = [...addresses(to, planes, rows, count, 2)];
    const copy = (): number => kernels.copyLabels(from, to, planes, rows, count, { bytesPerVoxel: size, unsigned }, mirrored);

    const expected = bytes.slice();
    const expectedView = new DataView(expected.buffer);
    sources.forEach((address, i) => {
      const column = i % count;
      expectedView.setInt16(targets[mirrored ? i - column + count - 1 - column : i], read(address), true);
    });
    const found = copy();
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
    const labels = sources.map(read);
    const [foreground, outside] = [labels.some((label) => label > 0), labels.some((label) => label < 0)];
    expect(found).toBe((foreground ? FOUND.foreground : 0) | (outside ? FOUND.outside : 0));

    // Background alone, then one other voxel at each end and in the middle.
    const set = (address: number, label: number): void => (size === 1 ? view.setInt8(address, label) : view.setInt16(address, label, true));
    for (const address of sources) set(address, 0);
    expect(copy()).toBe(0);
    for (const at of [0, Math.floor(sources.length / 2), sources.length - 1]) {
      set(sources[at], 1);
      expect(copy(), `foreground at ${at}`).toBe(FOUND.foreground);
      set(sources[at], -1);
      expect(copy(), `outside at ${at}`).toBe(unsigned ? FOUND.foreground : FOUND.outside);
      set(sources[at], 0);
    }
  });

  /** What a kernel makes of voxels of so many bytes, and how it is called. */
  const line = { offset: Math.fround(-3.3), scale: Math.fround(0.0012345) };
  const kinds = {
    copyBox: { size: 1, to: 1, copy: (from: Strided, to: Strided) => kernels.copyBox(from, to, planes, rows, count) },
    'copyImage of float32': { size: 4, to: 4, copy: copyImage({ bytesPerVoxel: 4 }) },
    'copyImage of int16': { size: 2, to: 4, copy: copyImage({ bytesPerVoxel: 2, line }) },
    'copyLabels of int8': { size: 1, to: 2, copy: copyLabels({ bytesPerVoxel: 1 }) },
    'copyLabels of int16': { size: 2, to: 2, copy: copyLabels({ bytesPerVoxel: 2 }) },
  };
  function copyImage(type: VoxelType) {
    return (from: Strided, to: Strided, mirrored: boolean) => kernels.copyImage(from, to, planes, rows, count, type, mirrored);
  }
  function copyLabels(type: VoxelType) {
    return (from: Strided, to: Strided, mirrored: boolean) => kernels.copyLabels(from, to, planes, rows, count, type, mirrored);
  }

  it.each(
    Object.entries(kinds).flatMap(([name, kind]) =>
      [
        { planesTurned: true, rowsTurned: false },
        { planesTurned: false, rowsTurned: true },
        { planesTurned: true, rowsTurned: true },
      ].flatMap((turns) => (name === 'copyBox' ? [false] : [false, true]).map((mirrored) => ({ name, ...kind, ...turns, mirrored }))),
    ),
  )('$name copies backwards where strides are negative: planes $planesTurned, rows $rowsTurned, mirrored $mirrored', (task) => {
    const { name, size, copy, planesTurned, rowsTurned, mirrored } = task;
    const bytes = fill(count + 4);
    const view = new DataView(memory.buffer);
    const from = strided(SOURCE + shift, size * count + gap, rows);
    const to = strided(TARGET + shift, task.to * count + gap, rows);
    const expected = bytes.slice();
    const made = new DataView(expected.buffer);
    const sources = [...addresses(from, planes, rows, count, size)];
    [...addresses(to, planes, rows, count, task.to)].forEach((address, i) => {
      const [plane, row, column] = [Math.floor(i / (rows * count)), Math.floor(i / count) % rows, i % count];
      const [z, y] = [planesTurned ? planes - 1 - plane : plane, rowsTurned ? rows - 1 - row : row];
      const source = sources[(z * rows + y) * count + (mirrored ? count - 1 - column : column)];
      if (name === 'copyImage of int16')
        made.setFloat32(address, line.offset + Math.fround(line.scale * view.getInt16(source, true)), true);
      else if (name === 'copyLabels of int8') made.setInt16(address, view.getInt8(source), true);
      else expected.set(bytes.subarray(source, source + size), address);
    });
    const turned = (box: Strided): Strided => ({
      pointer: box.pointer + (planesTurned ? (planes - 1) * box.plane : 0) + (rowsTurned ? (rows - 1) * box.row : 0),
      row: rowsTurned ? -box.row : box.row,
      plane: planesTurned ? -box.plane : box.plane,
    });
    copy(from, turned(to), mirrored);
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);

    fill(count + 4);
    copy(turned(from), to, mirrored);
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
  });
});

it.each([
  { rows: 30, count: 40, apart: 700 },
  { rows: 30, count: 700, apart: 700 },
])('copies out of the last bytes of a memory ask for nothing beyond: $rows rows of $count', ({ rows, count, apart }) => {
  const copies: [size: number, copy: (from: Strided, to: Strided, mirrored: boolean) => unknown][] = [
    [4, (from, to, mirrored) => kernels.copyImage(from, to, 1, rows, count, { bytesPerVoxel: 4 }, mirrored)],
    [2, (from, to, mirrored) => kernels.copyImage(from, to, 1, rows, count, { bytesPerVoxel: 2, line: { scale: 1, offset: 0 } }, mirrored)],
    [1, (from, to, mirrored) => kernels.copyLabels(from, to, 1, rows, count, { bytesPerVoxel: 1 }, mirrored)],
    [2, (from, to, mirrored) => kernels.copyLabels(from, to, 1, rows, count, { bytesPerVoxel: 2 }, mirrored)],
  ];
  for (const [size, copy] of copies)
    for (const mirrored of [false, true])
      for (const turned of [false, true]) {
        const bytes = fill(3);
        const length = size * ((rows - 1) * apart + count);
        const made = [SOURCE, bytes.length - length].map((start) => {
          bytes.copyWithin(start, SOURCE, SOURCE + length);
          const row = turned ? -size * apart : size * apart;
          copy({ pointer: turned ? start + size * (rows - 1) * apart : start, row, plane: 0 }, strided(TARGET, 4 * count, rows), mirrored);
          return Buffer.from(bytes.slice(TARGET, TARGET + 4 * count * rows));
        });
        expect(made[0].equals(made[1])).toBe(true);
      }
});

it('copyImage has the float32 of every float16: subnormal, infinite, not a number', () => {
  const halves = new Uint16Array(memory.buffer, SOURCE, 2 ** 16);
  halves.forEach((_, i) => {
    halves[i] = i;
  });
  const expected = Float32Array.from(new Float16Array(halves.slice().buffer));
  const box = (pointer: number, bytes: number) => ({ pointer, row: bytes, plane: bytes });
  kernels.copyImage(box(SOURCE, 0), box(TARGET, 0), 1, 1, halves.length, { bytesPerVoxel: 2, float16: true });
  const found = new Float32Array(memory.buffer, TARGET, halves.length);
  expect(found.findIndex((value, i) => !Object.is(value, expected[i]))).toBe(-1);
});
