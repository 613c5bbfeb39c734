import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Step } from '../../src/augmentation/transform.ts';
import { type Box, boxShape, patchOf, type Triple, voxels } from '../../src/common/geometry.ts';
import { encodeNpyHeader } from '../../src/formats/npy.ts';
import { KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { BoxReader } from '../../src/reading/boxes.ts';
import { OpenFiles } from '../../src/reading/open-files.ts';
import type { PadMode } from '../../src/reading/pad.ts';
import { PatchReader } from '../../src/reading/read-patch.ts';
import { makePatch } from '../fixtures/patch-maker.ts';
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
    const cases = [{ id: 'c', shape }];
    const files = new OpenFiles({ dir, format: 'npy', cases, channels: image.shape[0], labelBytes: 2, previous: null }, 1);
    const box: Box = { lower: params.bbox.map(([low]: number[]) => low), upper: params.bbox.map(([, high]: number[]) => high) };
    const count = voxels(boxShape(box));
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
    const place = { data: KERNEL_BYTES, target: KERNEL_BYTES + 1024 * 1024, scratch: KERNEL_BYTES + 2 * 1024 * 1024 };
    const boxes = new BoxReader(memory, 64 * 1024);
    const reader = new PatchReader(memory, boxes, image.shape[0], (params.pad_mode as PadMode | undefined) ?? 'constant');
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

/** What a worker makes of the golden input with this one step; axes are counted from z. */
function applyStep({ inputs }: GoldenCase, steps: Step[], drawn: unknown, deepSupervision?: number[][]): Record<string, Arrays> {
  const labels = readArray(`misc/${inputs.segmentation}`);
  const size = labels.shape.slice(1);
  const image = inputs.image ? readArray(`misc/${inputs.image}`).data : new Float32Array(voxels(size));
  const made = makePatch({
    image: Float32Array.from(image),
    labels: Int16Array.from(labels.data),
    shape: patchOf(size),
    patchSize: size,
    steps,
    drawn: steps.length > 0 ? { 0: drawn } : {},
    ...(deepSupervision && { deepSupervision }),
  });
  return { image: made.image, segmentation: deepSupervision ? made.targets : made.targets[0] };
}

type Arrays = ArrayLike<number> | ArrayLike<number>[];

/** How the product makes what a function of the peer makes. */
const MAKE: Record<string, (golden: GoldenCase) => Record<string, Arrays>> = {
  crop_and_pad_nd: (golden) => ({ ...crop(golden) }),
  MirrorTransform: (golden) => {
    const flat = readArray(`misc/${golden.inputs.segmentation}`).shape.length === 3;
    return applyStep(golden, [{ transform: 'mirror' }], { axes: golden.params.axes.map((axis: number) => axis + (flat ? 1 : 0)) });
  },
  MaskImageTransform: (golden) => applyStep(golden, [{ transform: 'mask', channels: golden.params.apply_to_channels } as Step], {}),
  RemoveLabelTransform: ({ params, ...golden }) => {
    const step = { transform: 'replaceLabel', from: params.label_value, to: params.set_to } as Step;
    return applyStep({ params, ...golden }, [step], {});
  },
  DownsampleSegForDSTransform: (golden) => applyStep(golden, [], {}, golden.params.ds_scales),
};

/** Compared in suites of their own. */
const APART = [
  'ConvertSegmentationToRegionsTransform',
  'MoveSegAsOneHotToDataTransform',
  'Convert3DTo2DTransform',
  'Convert3DTo2D+SpatialTransform+Convert2DTo3D',
];

describe.skipIf(!has('misc/manifest.json'))('golden misc', () => {
  const cases = has('misc/manifest.json') ? manifest('misc') : [];
  for (const golden of cases.filter(({ transform }) => !APART.includes(transform))) {
    it(golden.name, () => {
      expect(Object.keys(MAKE)).toContain(golden.transform);
      const actual = MAKE[golden.transform](golden);
      for (const [key, files] of Object.entries<string | string[]>(golden.outputs)) {
        const lists = Array.isArray(files) ? (actual[key] as ArrayLike<number>[]) : [actual[key] as ArrayLike<number>];
        for (const [i, file] of [files].flat().entries()) expectClose(lists[i], readArray(`misc/${file}`).data, golden.tolerance[key]);
      }
    });
  }
});
