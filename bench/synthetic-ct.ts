/**
 * Made-up CT volumes in nnU-Net's raw layout: a body of soft tissue in air with organs and a lesion, thick slices.
 *
 *     node bench/synthetic-ct.ts DIR [--cases 4] [--shape 40,160,160] [--spacing 5,0.78,0.78] [--thick-axis 0]
 *
 * Shape and spacing are varied a little from case to case. `--thick-axis` turns the volume, so that the coarse axis is another.
 */
import { parseArgs } from 'node:util';
import { type Triple, triple, voxels } from '../src/common/geometry.ts';
import { makeRawDataset, numbers, type RawCaseContent } from '../test/fixtures/raw-dataset.ts';

export interface SyntheticCt {
  cases: number;
  /** Of the first case; array order. */
  shape: Triple;
  /** Millimetres. */
  spacing: Triple;
  /** How much shape and spacing differ between cases, as a part of them. */
  variation?: number;
}

const LABELS = { background: 0, liver: 1, kidney: 2, lesion: 3 };
const AIR = -1000;

/** Where organs lie, as parts of the volume: centre, half axes, label, intensity. */
const ORGANS: [Triple, Triple, number, number][] = [
  [[0.5, 0.5, 0.5], [0.52, 0.42, 0.46], 0, 40],
  [[0.55, 0.45, 0.35], [0.28, 0.22, 0.2], 1, 110],
  [[0.4, 0.6, 0.68], [0.14, 0.09, 0.08], 2, 180],
  [[0.52, 0.42, 0.33], [0.04, 0.03, 0.03], 3, 65],
];

export function writeSyntheticCt(dir: string, { cases, shape, spacing, variation = 0.2 }: SyntheticCt): string {
  const next = numbers(1);
  const vary = (value: number): number => value * (1 + variation * (next(2001) / 1000 - 1));
  const content = Array.from({ length: cases }, (_, i) => {
    const ownShape = i === 0 ? shape : triple((axis) => Math.round(vary(shape[axis])));
    const inPlane = i === 0 ? 1 : vary(1);
    const ownSpacing = i === 0 ? spacing : triple((axis) => Number((spacing[axis] * inPlane).toFixed(4)));
    return makeCase(`ct_${String(i).padStart(3, '0')}`, ownShape, ownSpacing, next);
  });
  return makeRawDataset(dir, { channels: ['CT'], labels: LABELS, cases: content, datasetJson: { name: 'SyntheticCT' } });
}

function makeCase(id: string, shape: Triple, spacing: Triple, next: (count: number) => number): RawCaseContent {
  const image = new Int16Array(voxels(shape)).fill(AIR);
  const label = new Uint8Array(image.length);
  for (const [centre, half, value, intensity] of ORGANS) {
    const lower = triple((axis) => Math.max(0, Math.floor((centre[axis] - half[axis]) * shape[axis])));
    const upper = triple((axis) => Math.min(shape[axis], Math.ceil((centre[axis] + half[axis]) * shape[axis])));
    for (let z = lower[0]; z < upper[0]; z++) {
      for (let y = lower[1]; y < upper[1]; y++) {
        const across = (z / shape[0] - centre[0]) ** 2 / half[0] ** 2 + (y / shape[1] - centre[1]) ** 2 / half[1] ** 2;
        for (let x = lower[2], at = (z * shape[1] + y) * shape[2] + x; x < upper[2]; x++, at++) {
          if (across + (x / shape[2] - centre[2]) ** 2 / half[2] ** 2 > 1) continue;
          image[at] = intensity + next(61) - 30;
          label[at] = value;
        }
      }
    }
  }
  return { id, shape, spacing, images: [image], label, image: { datatype: 'int16' } };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cases: { type: 'string', default: '4' },
      shape: { type: 'string', default: '40,160,160' },
      spacing: { type: 'string', default: '5,0.78,0.78' },
      'thick-axis': { type: 'string', default: '0' },
    },
  });
  const turned = (list: string): Triple => {
    const [thick, first, second] = list.split(',').map(Number);
    const axis = Number(values['thick-axis']);
    return axis === 0 ? [thick, first, second] : axis === 1 ? [first, thick, second] : [first, second, thick];
  };
  writeSyntheticCt(positionals[0], { cases: Number(values.cases), shape: turned(values.shape), spacing: turned(values.spacing) });
}
