import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { encodeNpyHeader } from '../../src/dataset/npy.ts';
import { OpenFiles } from '../../src/dataset/open-files.ts';
import type { PadMode } from '../../src/dataset/pad.ts';
import { PatchReader } from '../../src/dataset/read-patch.ts';
import { type Box, boxShape, type Triple, voxels } from '../../src/geometry.ts';
import { KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { expectClose, type GoldenCase, has, manifest, readArray } from './golden.ts';

/** Stores the golden input as a case and crops it the way a worker does. */
function crop({ params, inputs }: GoldenCase): { image: Float32Array; segmentation: Int16Array } {
  const image = readArray(`misc/${inputs.image}`);
  const shape = image.shape.slice(1) as Triple;
  const segmentation = inputs.segmentation ? readArray(`misc/${inputs.segmentation}`).data : new Int16Array(voxels(shape));
  const dir = mkdtempSync(join(tmpdir(), 'voxfeed-golden-'));
  try {
    const bytes = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    writeFileSync(join(dir, 'c.npy'), Buffer.concat([encodeNpyHeader('<f4', image.shape), bytes(Float32Array.from(image.data))]));
    writeFileSync(join(dir, 'c_seg.npy'), Buffer.concat([encodeNpyHeader('<i2', shape), bytes(Int16Array.from(segmentation))]));
    const files = new OpenFiles(dir, [{ id: 'c', shape }], image.shape[0], 2, 1);
    const box: Box = { lower: params.bbox.map(([low]: number[]) => low), upper: params.bbox.map(([, high]: number[]) => high) };
    const count = voxels(boxShape(box));
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
    const place = { data: KERNEL_BYTES, target: KERNEL_BYTES + 1024 * 1024, scratch: KERNEL_BYTES + 2 * 1024 * 1024 };
    const reader = new PatchReader(memory, image.shape[0], 64 * 1024, (params.pad_mode as PadMode | undefined) ?? 'constant');
    reader.read(files.get(0), shape, box, place);
    files.close(0);
    return {
      image: new Float32Array(memory.buffer, place.data, image.shape[0] * count).slice(),
      segmentation: new Int16Array(memory.buffer, place.target, count).slice(),
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe.skipIf(!has('misc/manifest.json'))('golden misc', () => {
  for (const golden of has('misc/manifest.json') ? manifest('misc') : []) {
    it(golden.name, (context) => {
      if (golden.transform !== 'crop_and_pad_nd') context.skip(`${golden.transform} belongs to the augmentation, which is not built yet`);
      const actual = crop(golden);
      for (const [key, file] of Object.entries(golden.outputs)) {
        expectClose(actual[key as keyof typeof actual], readArray(`misc/${file}`).data, golden.tolerance[key]);
      }
    });
  }
});
