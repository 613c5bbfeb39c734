/**
 * Every kernel on one 128x128x128 patch, `npm run -s bench:kernels -- [--runs N] [--json]`: CPU time in milliseconds, nanoseconds a
 * voxel, and how often a plain copy of the same bytes fits into that time. The kernels take turns, so that a slow spell of the
 * machine hits all of them alike; medians are reported. Transforms of the pipeline are measured as they are applied.
 */
import { parseArgs } from 'node:util';
import { affineMatrix } from '../src/augmentation/affine.ts';
import { mapping } from '../src/augmentation/reading.ts';
import { completeSteps } from '../src/augmentation/steps.ts';
import type { Sample, Step, Workspace } from '../src/augmentation/transform.ts';
import { TRANSFORMS } from '../src/augmentation/transforms/index.ts';
import { type Triple, voxels } from '../src/common/geometry.ts';
import { bindKernels, KERNEL_BYTES } from '../src/kernels/kernels.ts';
import { warpTile } from '../src/kernels/spatial.ts';
import { environment } from '../src/measuring/environment.ts';
import { ballLabels, noiseImage } from './suite/synthetic-store.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '15' }, json: { type: 'boolean', default: false } } });

const PATCH: Triple = [128, 128, 128];
/** What nnU-Net reads for such a patch. */
const CROP: Triple = [205, 205, 205];
const COUNT = voxels(PATCH);
const MIB = 1024 * 1024;

const pages = 2048;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const kernels = bindKernels(memory);
const [crop, cropLabels, image, labels, scratch] = [1, 36, 48, 57, 62].map((mib) => KERNEL_BYTES + mib * MIB);
const warp = KERNEL_BYTES;
new Float32Array(memory.buffer, crop, voxels(CROP)).set(noiseImage(CROP, 1));
new Int8Array(memory.buffer, cropLabels, voxels(CROP)).set(ballLabels(CROP, 1));

const dense = (pointer: number, [, height, width]: Triple, bytes: number) => ({
  pointer,
  row: width * bytes,
  plane: height * width * bytes,
});
const source = dense(crop, CROP, 4);
const sourceLabels = dense(cropLabels, CROP, 1);
const target = dense(image, PATCH, 4);
const targetLabels = dense(labels, PATCH, 2);

/** Copies the middle of the crop: the image that everything else begins with. */
function reset(): void {
  const inside = 38;
  const at = (origin: typeof source, bytes: number) => ({
    ...origin,
    pointer: origin.pointer + inside * (origin.plane + origin.row + bytes),
  });
  kernels.copyBox(at(source, 4), target, PATCH[0], PATCH[1], 4 * PATCH[2]);
  kernels.copyLabels(at(sourceLabels, 1), targetLabels, PATCH[0], PATCH[1], PATCH[2], { bytesPerVoxel: 1 });
}

function describe(angles: number[], scale: number): void {
  const { matrix, offset } = mapping(affineMatrix(angles, [scale, scale, scale], [0, 1, 2]), CROP, PATCH, []);
  kernels.describeWarp(warp, { matrix, offset, size: PATCH, tile: warpTile(matrix, PATCH), first: [0, 0, 0], end: CROP });
}

const sample: Sample = { channels: 1, shape: PATCH, axes: [0, 1, 2], data: image, target: labels, hasOutside: true, mirrored: [] };
const workspace: Workspace = { kernels, buffer: memory.buffer, scratch };
const apply = (given: Step, parameters: unknown): (() => void) => {
  const [step] = completeSteps([given]);
  return () => TRANSFORMS[step.transform].apply(sample, parameters, step, workspace);
};

/** A kernel's work, what comes before it and is not measured, and the bytes that a copy would move in its place. */
interface Entry {
  name: string;
  before?: () => void;
  run: () => void;
  bytes?: number;
}

const turned = [0.26, -0.26, 0.26];
const indices: Triple = [scratch, scratch + 1024, scratch + 2048];
const halves = Int32Array.from({ length: 64 }, (_, i) => 2 * i + 1);

const ENTRIES: Entry[] = [
  { name: 'copy, image', run: () => kernels.copyBox(target, { ...target, pointer: scratch }, PATCH[0], PATCH[1], 4 * PATCH[2]) },
  { name: 'crop, image', run: reset },
  { name: 'crop, mirrored image', run: () => kernels.copyImage(source, target, PATCH[0], PATCH[1], PATCH[2], { bytesPerVoxel: 4 }, true) },
  { name: 'rotated image, 15 degrees', before: () => describe(turned, 1), run: () => kernels.warpImage(warp, source, image, scratch) },
  { name: 'scaled image, 1.2', before: () => describe([0, 0, 0], 1.2), run: () => kernels.warpImage(warp, source, image, scratch) },
  {
    name: 'rotated labels, 4 labels',
    before: () => describe(turned, 1),
    run: () => void kernels.warpLabels(warp, sourceLabels, 1, labels, scratch, false),
    bytes: 2 * COUNT,
  },
  { name: 'noise', before: reset, run: apply({ transform: 'noise' }, { sigmas: [0.05], seed: [1, 2, 3, 4] }) },
  { name: 'blur, 3 taps', before: reset, run: apply({ transform: 'blur' }, { sigmas: [[0.55, 0.55, 0.55]] }) },
  { name: 'blur, 5 taps', before: reset, run: apply({ transform: 'blur' }, { sigmas: [[0.75, 0.75, 0.75]] }) },
  { name: 'blur, 7 taps', before: reset, run: apply({ transform: 'blur' }, { sigmas: [[0.95, 0.95, 0.95]] }) },
  { name: 'brightness', before: reset, run: apply({ transform: 'brightness' }, { factors: [1.1] }) },
  { name: 'contrast', before: reset, run: apply({ transform: 'contrast' }, { factors: [1.1] }) },
  { name: 'low resolution, 0.7', before: reset, run: apply({ transform: 'lowResolution' }, { scales: [[0.7, 0.7, 0.7]] }) },
  { name: 'gamma', before: reset, run: apply({ transform: 'gamma' }, { gammas: [0.8] }) },
  { name: 'gamma, inverted', before: reset, run: apply({ transform: 'gamma', invert: true } as Step, { gammas: [1.2] }) },
  { name: 'statistics alone', before: reset, run: () => void kernels.statistics(image, COUNT), bytes: 2 * COUNT },
  { name: 'mask', before: reset, run: () => kernels.maskImage(image, labels, COUNT) },
  { name: 'replace label', before: reset, run: () => void kernels.replaceLabel(labels, COUNT, -1, 0), bytes: 2 * COUNT },
  {
    name: 'deep supervision, 64x64x64',
    before: () => {
      for (const at of indices) new Int32Array(memory.buffer, at, 64).set(halves);
    },
    run: () => kernels.pickLabels(targetLabels, scratch + MIB, [64, 64, 64], indices),
    bytes: (2 * COUNT) / 8,
  },
];

function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const measured = new Map<string, number[]>(ENTRIES.map(({ name }) => [name, []]));
// The first rounds let the compiler finish with each kernel.
const settling = 4;
for (let round = 0; round < settling + Number(values.runs); round++) {
  for (const { name, before = () => {}, run } of ENTRIES) {
    before();
    const ms = cpuMs(run);
    if (round >= settling) measured.get(name)?.push(ms);
  }
}

const median = (numbers: number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const short = (value: number): number => Number(value.toPrecision(3));
const copy = median(measured.get('copy, image') ?? []);
const rows = ENTRIES.map(({ name, bytes = 4 * COUNT }) => {
  const ms = median(measured.get(name) ?? []);
  return { name, ms: short(ms), ns_per_voxel: short((1e6 * ms) / COUNT), copies: short(ms / ((copy * bytes) / (4 * COUNT))) };
});

if (values.json) console.log(JSON.stringify({ patch: PATCH, runs: Number(values.runs), rows, environment: environment() }, null, 2));
else {
  console.table(rows);
  console.log(`one patch of ${PATCH.join('x')}; medians of ${values.runs} interleaved runs;`, environment());
}
