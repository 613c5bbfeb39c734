import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/common/errors.ts';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { type Dtype, encodeNpyHeader } from '../../src/formats/npy.ts';
import { KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { BoxReader } from '../../src/reading/boxes.ts';
import { type OpenCase, OpenFiles } from '../../src/reading/open-files.ts';
import type { ArrayFormat } from '../../src/store/file-names.ts';
import { type B2ndContent, b2ndFile } from '../fixtures/b2nd-file.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { zipFile } from '../fixtures/zip-file.ts';
import { FILES } from '../formats/b2nd/files.ts';

const SHAPE: Triple = [6, 10, 12];
const cut: Omit<B2ndContent, 'data' | 'shape'> = { chunk: [1, 6, 8, 12], block: [1, 3, 8, 5], codec: 'zstd' };

function folder(): string {
  const dir = temporaryFolder();
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** Opens case "c" of one channel, as a worker does. */
function open(dir: string, format: ArrayFormat, labelBytes = 2, shape = SHAPE): OpenCase {
  const files = new OpenFiles({ dir, format, cases: [{ id: 'c', shape }], channels: 1, labelBytes, previous: null }, 1);
  return files.get(0);
}

function npy(path: string, dtype: Dtype, shape: readonly number[], data: ArrayBufferView): void {
  writeFileSync(path, Buffer.concat([encodeNpyHeader(dtype, shape), Buffer.from(data.buffer as ArrayBuffer)]));
}

const image = Float32Array.from({ length: voxels(SHAPE) }, (_, i) => i);
const labels = Int8Array.from(image, (_, i) => (i % 5) - 1);

describe('arrays of a store', () => {
  it.each<[string, ArrayFormat, (dir: string) => void]>([
    ['.npy as we write them', 'npy', (dir) => npy(join(dir, 'c_seg.npy'), '|i1', SHAPE, labels)],
    ['.npy as nnU-Net unpacks them', 'npy', (dir) => npy(join(dir, 'c_seg.npy'), '<i2', [1, ...SHAPE], Int16Array.from(labels))],
    [
      '.b2nd as nnU-Net writes them',
      'b2nd',
      (dir) => writeFileSync(join(dir, 'c_seg.b2nd'), b2ndFile({ data: Int16Array.from(labels), shape: [1, ...SHAPE], ...cut })),
    ],
    ['.b2nd without a channel', 'b2nd', (dir) => writeFileSync(join(dir, 'c_seg.b2nd'), b2ndFile({ data: labels, shape: SHAPE, ...cut }))],
    [
      '.npz of older releases',
      'npz',
      (dir) => {
        const data = Buffer.concat([encodeNpyHeader('<f4', [1, ...SHAPE]), new Uint8Array(image.buffer)]);
        const seg = Buffer.concat([encodeNpyHeader('|i1', [1, ...SHAPE]), new Uint8Array(labels.buffer)]);
        writeFileSync(join(dir, 'c.npz'), zipFile({ 'data.npy': data, 'seg.npy': seg }));
      },
    ],
  ])('are read as int16 labels: %s', (_, format, write) => {
    const dir = folder();
    npy(join(dir, 'c.npy'), '<f4', [1, ...SHAPE], image);
    writeFileSync(join(dir, 'c.b2nd'), b2ndFile({ data: image, shape: [1, ...SHAPE], ...cut }));
    write(dir);
    const { data, segmentation } = open(dir, format);
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
    const boxes = new BoxReader(memory, 512 * 1024);
    const [to, scratch] = [KERNEL_BYTES, KERNEL_BYTES + 64 * 1024];
    boxes.load(segmentation, 1, SHAPE, to, 2, scratch);
    expect(new Int16Array(memory.buffer, to, labels.length)).toEqual(Int16Array.from(labels));
    boxes.load(data, 1, SHAPE, to, 4, scratch);
    expect(new Float32Array(memory.buffer, to, image.length)).toEqual(image);
  });

  const fixture = (name: string): string => FILES.find((file) => file.name === name)!.path;
  /** The shape of the files of floats that python-blosc2 wrote. */
  const SMALL: Triple = [6, 10, 11];
  it.each<[string, (dir: string) => void, Triple, number, RegExp]>([
    [
      'float16 labels',
      (dir) => copyFileSync(fixture('f2'), join(dir, 'c_seg.b2nd')),
      SHAPE,
      2,
      /c_seg\.b2nd: it holds float16 numbers\. Lab/,
    ],
    ['float64 images', (dir) => copyFileSync(fixture('f8'), join(dir, 'c.b2nd')), SMALL, 2, /c\.b2nd: it holds float64 numbers/],
    [
      'images of labels',
      (dir) => writeFileSync(join(dir, 'c.b2nd'), labelFile()),
      SHAPE,
      2,
      /c\.b2nd: it holds int16 numbers\. Images are/,
    ],
    [
      'labels of numbers',
      (dir) => writeFileSync(join(dir, 'c_seg.b2nd'), imageFile()),
      SHAPE,
      2,
      /c_seg\.b2nd: it holds float32 numbers\. Lab/,
    ],
    [
      'another shape',
      () => {},
      [6, 10, 13],
      2,
      /c\.b2nd: it holds an array \[1, 6, 10, 12\] of 4 bytes a voxel, the case has \[1, 6, 10, 13\] of 4/,
    ],
    [
      'wider labels',
      () => {},
      SHAPE,
      1,
      /c_seg\.b2nd: it holds an array \[1, 6, 10, 12\] of 2 bytes a voxel, the case has \[6, 10, 12\] of 1/,
    ],
  ])('are refused with what they are: %s', (_, write, shape, labelBytes, message) => {
    const dir = folder();
    writeFileSync(join(dir, 'c.b2nd'), imageFile());
    writeFileSync(join(dir, 'c_seg.b2nd'), labelFile());
    write(dir);
    expect(() => open(dir, 'b2nd', labelBytes, shape)).toThrow(message);
    expect(() => open(dir, 'b2nd', labelBytes, shape)).toThrow(StoreError);
  });

  it.each<[string, string, Dtype, Float16Array | Int16Array, RegExp]>([
    ['float16 labels', 'c_seg.npy', '<f2', Float16Array.from(labels), /c_seg\.npy: it holds float16 numbers, which are no labels/],
    ['an image of int16', 'c.npy', '<i2', Int16Array.from(image), /c\.npy: it holds int16 numbers, which are no image/],
  ])('are not taken for others of as many bytes: %s', (_, name, dtype, data, message) => {
    const dir = folder();
    npy(join(dir, 'c.npy'), '<f2', [1, ...SHAPE], Float16Array.from(image));
    npy(join(dir, 'c_seg.npy'), '<i2', SHAPE, Int16Array.from(labels));
    expect(open(dir, 'npy').data).toMatchObject({ bytesPerVoxel: 2, float16: true });
    npy(join(dir, name), dtype, name === 'c.npy' ? [1, ...SHAPE] : SHAPE, data);
    expect(() => open(dir, 'npy')).toThrow(message);
  });

  it.each(['npy', 'b2nd'] as const)('are refused as .%s where the index says int16 and they are not', (format) => {
    const dir = folder();
    npy(join(dir, 'c.npy'), '<f4', [1, ...SHAPE], image);
    writeFileSync(join(dir, 'c.b2nd'), imageFile());
    const cases = [{ id: 'c', shape: SHAPE, lines: [{ offset: 0, scale: 1 }] }];
    const files = new OpenFiles({ dir, format, cases, channels: 1, labelBytes: 2, previous: null }, 1);
    expect(() => files.get(0)).toThrow(/it holds float32 numbers.*int16/);
  });

  it('are refused in an archive that lacks one', () => {
    const dir = folder();
    writeFileSync(
      join(dir, 'c.npz'),
      zipFile({ 'data.npy': Buffer.concat([encodeNpyHeader('<f4', [1, ...SHAPE]), new Uint8Array(image.buffer)]) }),
    );
    expect(() => open(dir, 'npz')).toThrow(/c\.npz: it has no array "seg"/);
  });

  it('are refused where their blocks have outgrown the memory that was planned for them', () => {
    const dir = folder();
    writeFileSync(join(dir, 'c.b2nd'), imageFile());
    writeFileSync(join(dir, 'c_seg.b2nd'), labelFile());
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
    const { data } = open(dir, 'b2nd');
    expect(() => new BoxReader(memory, 1000).load(data, 1, SHAPE, KERNEL_BYTES, 4, KERNEL_BYTES)).toThrow(
      /c\.b2nd: its blocks have grown to 480 bytes since the store was opened\. Open the store anew/,
    );
  });
});

function imageFile(): Buffer {
  return b2ndFile({ data: image, shape: [1, ...SHAPE], ...cut });
}

function labelFile(): Buffer {
  return b2ndFile({ data: Int16Array.from(labels), shape: [1, ...SHAPE], ...cut });
}
