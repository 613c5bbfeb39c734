import { describe, expect, it } from 'vitest';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { Draws } from '../../src/common/random.ts';
import { bindKernels, KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { FOUND } from '../../src/kernels/spatial.ts';

const memory = new WebAssembly.Memory({ initial: 32, maximum: 32, shared: true });
const buffer = memory.buffer as SharedArrayBuffer;
const kernels = bindKernels(memory);
const [SCRATCH, SOURCE, TARGET] = [KERNEL_BYTES, KERNEL_BYTES + 64 * 1024, KERNEL_BYTES + 1024 * 1024];

const SIZES = [1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 23, 31, 37];

describe('labels', () => {
  it.each(SIZES)('are picked by tables, %i at a time', (width) => {
    const source: Triple = [5, 9, 4 * width + 40];
    const labels = Int16Array.from({ length: voxels(source) }, (_, i) => (i * 31) % 2003);
    new Int16Array(buffer, SOURCE, labels.length).set(labels);
    for (const at of [
      (x: number) => 2 * x + 1,
      (x: number) => 2 * x,
      (x: number) => x,
      (x: number) => (x < 9 ? 2 * x + 1 : x + 9),
      (x: number) => 4 * x + 2,
      (x: number) => (x < 9 ? 4 * x + 2 : x + 27),
    ]) {
      const tables = [[4, 0, 2], [8, 7], Array.from({ length: width }, (_, x) => at(x))];
      const pointers = tables.map((table, i) => {
        new Int32Array(buffer, SCRATCH + 4096 * i, table.length).set(table);
        return SCRATCH + 4096 * i;
      }) as Triple;
      const target = new Int16Array(buffer, TARGET, 6 * width + 8).fill(77);
      kernels.pickLabels({ pointer: SOURCE, row: 2 * source[2], plane: 2 * source[1] * source[2] }, TARGET, [3, 2, width], pointers);
      const expected = tables[0].flatMap((z) => tables[1].flatMap((y) => tables[2].map((x) => labels[(z * 9 + y) * source[2] + x])));
      expect([...target.subarray(0, 6 * width)]).toEqual(expected);
      expect(target.subarray(6 * width).every((label) => label === 77)).toBe(true);
    }
  });

  it.each([2, 4])('are picked out of the last bytes of a memory, every one of %i', (step) => {
    const [width, rows] = [24, 5];
    // Nothing follows the last one that is picked.
    const length = step * (width - 1) + step / 2 + 1;
    const labels = Int16Array.from({ length: rows * length }, (_, i) => (i * 31) % 2003);
    const last = buffer.byteLength - labels.byteLength;
    new Int16Array(buffer, last, labels.length).set(labels);
    const tables = [[0], [0, 1, 2, 3, 4], Array.from({ length: width }, (_, x) => step * x + step / 2)];
    const pointers = tables.map((table, i) => {
      new Int32Array(buffer, SCRATCH + 4096 * i, table.length).set(table);
      return SCRATCH + 4096 * i;
    }) as Triple;
    kernels.pickLabels({ pointer: last, row: 2 * length, plane: 0 }, TARGET, [1, rows, width], pointers);
    const expected = tables[1].flatMap((y) => tables[2].map((x) => labels[y * length + x]));
    expect([...new Int16Array(buffer, TARGET, rows * width)]).toEqual(expected);
  });

  it.each([...SIZES, 64, 101, 257])('of %i voxels mask an image, and are replaced', (count) => {
    const draws = new Draws(8, count, 0);
    const image = new Float32Array(buffer, TARGET + 4, count + 8).fill(5);
    const labels = new Int16Array(buffer, SOURCE + 2, count + 8).fill(-1);
    for (let i = 0; i < count; i++) labels[i] = draws.between(-2, 2);
    const before = labels.slice();
    kernels.maskImage(TARGET + 4, SOURCE + 2, count);
    expect([...image]).toEqual([...before].map((label, i) => (i < count && label < 0 ? 0 : 5)));
    const found = kernels.replaceLabel(SOURCE + 2, count, -1, 0);
    const expected = before.map((label, i) => (i < count && label === -1 ? 0 : label));
    expect(labels).toEqual(expected);
    const inside = [...expected.subarray(0, count)];
    expect(found).toBe((inside.some((x) => x > 0) ? FOUND.foreground : 0) | (inside.some((x) => x < 0) ? FOUND.outside : 0));
  });
});
