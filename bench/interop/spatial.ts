/**
 * Warps the cases that `spatial.py` wrote into a folder: cases.json, and for case i the raw arrays i.image, i.labels and i.offsets.
 * Writes i.image.MODE and i.labels.MODE for the modes exact, fused and separate, and kernels where a case is one for them.
 *
 *     node bench/interop/spatial.ts DIR
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { affineMatrix } from '../../src/augmentation/affine.ts';
import type { Step } from '../../src/augmentation/transform.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import type { ImageSampling, LabelSampling, Placement } from '../../src/augmentation/warp/placement.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { patchOf, type Triple, voxels } from '../../src/common/geometry.ts';
import { makePatch } from '../../test/fixtures/patch-maker.ts';

interface Case {
  source: number[];
  patch: number[];
  angles: number[];
  scales: number[];
  center: number[];
  elastic: boolean;
  alignCorners: boolean;
  /** Whether the kernels can do it. */
  kernels: boolean;
  image: ImageSampling;
  labels: LabelSampling;
}

const MODES = {
  exact: {},
  fused: { nnunetCompat: true, fusedMatrix: true },
  separate: { nnunetCompat: true, fusedMatrix: false },
};

const [dir] = process.argv.slice(2);

function read(name: string): ArrayBuffer {
  return Uint8Array.from(readFileSync(join(dir, name))).buffer;
}

const cases: Case[] = JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8'));
for (const [i, { source, patch, angles, scales, center, elastic, alignCorners, kernels, image, labels }] of cases.entries()) {
  const axes: Axis[] = source.length === 2 ? [1, 2] : [0, 1, 2];
  const placement: Placement = {
    source: patchOf(source),
    patch: patchOf(patch),
    axes,
    matrix: affineMatrix(angles, scales, axes),
    center: (source.length === 2 ? [0.5, ...center] : center) as Triple,
    offsets: elastic ? new Float32Array(read(`${i}.offsets`)) : undefined,
    alignCorners,
  };
  const size = voxels(placement.patch);
  for (const [mode, arithmetic] of Object.entries(MODES)) {
    const data = new Float32Array(size);
    const target = new Int16Array(size);
    warpImage(new Float32Array(read(`${i}.image`)), { ...placement, ...arithmetic }, image, data);
    warpLabels(new Int16Array(read(`${i}.labels`)), { ...placement, ...arithmetic }, labels, target);
    writeFileSync(join(dir, `${i}.image.${mode}`), data);
    writeFileSync(join(dir, `${i}.labels.${mode}`), target);
  }
  if (!kernels) continue;
  const made = makePatch({
    image: new Float32Array(read(`${i}.image`)),
    labels: new Int16Array(read(`${i}.labels`)),
    shape: placement.source,
    patchSize: patch,
    steps: [{ transform: 'spatial', labels: labels.interpolation } as Step],
    drawn: { 0: { angles, scales } },
  });
  writeFileSync(join(dir, `${i}.image.kernels`), made.image);
  writeFileSync(join(dir, `${i}.labels.kernels`), made.targets[0]);
}
