import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PipelineStep } from '../../src/augmentation/transforms/index.ts';
import type { Triple } from '../../src/common/geometry.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { Store } from '../../src/store/store.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** One recorded loader. */
export interface RecordedLoader {
  options: LoaderOptions;
  /** Batches that are hashed, of training and of validation. */
  batches: number;
  /** The batch at which the loader is closed and another one goes on from its state, through JSON. */
  resumeAt?: number;
}

const SHAPES: Triple[] = [
  [20, 24, 28],
  [18, 30, 22],
  [26, 20, 24],
  [22, 22, 40],
  [20, 26, 26],
  [16, 28, 20],
];

/** An organ in every case; in three of them a tumour at its rim. */
function organs(caseNumber: number, z: number, y: number, x: number): number {
  const within = (low: number, high: number): boolean => [z, y, x].every((at) => at >= low && at < high);
  if ([0, 1, 4].includes(caseNumber) && within(6, 10)) return 2;
  return within(5, 15) ? 1 : 0;
}

/** The same, annotated between planes 3 and 12 only. */
function partly(caseNumber: number, z: number, y: number, x: number): number {
  return z < 3 || z > 12 ? 3 : organs(caseNumber, z, y, x);
}

/** The z-score of both channels within the nonzero region, as an index says it. */
const MASKED = { normalisation: [0, 1].map(() => ({ scheme: 'zscore' as const, masked: true })) };

async function stores(): Promise<Record<'organs' | 'regions' | 'ignored' | 'masked', Store>> {
  const dir = temporaryFolder();
  const make = (name: string, content: Omit<Parameters<typeof makeStore>[1], 'shapes'>): Promise<Store> =>
    makeStore(join(dir, name), { shapes: SHAPES, ...content });
  const labels = { background: 0, organ: 1, tumour: 2 };
  const made = {
    organs: await make('organs', { labels, label: organs }),
    regions: await make('regions', { labels: { background: 0, whole: [1, 2], core: 2 }, label: organs }),
    ignored: await make('ignored', { labels: { background: 0, whole: [1, 2], core: 2, ignore: 3 }, label: partly }),
    masked: await make('masked', { labels, label: (...at) => (at[1] < 2 ? -1 : organs(...at)), channels: 2, ...MASKED }),
  };
  const ids = made.organs.cases.map(({ id }) => id);
  const splits = [{ train: ids.slice(0, 4), val: ids.slice(4) }];
  writeFileSync(join(made.organs.dir, 'splits_final.json'), JSON.stringify(splits));
  return made;
}

const PATCH = { patchSize: [10, 12, 14], batchSize: 4, seed: 7, workers: 2 };
const SCALES = [
  [1, 1, 1],
  [0.5, 0.5, 0.5],
];
const DEEP = { patchSize: [8, 10, 12], batchSize: 5, weight: 2 };
const FLAT = { patchSize: [16, 18], batchSize: 12, weight: 1 };
/** Of nnU-Net's trainers none deforms. */
const DEFORMED: PipelineStep[] = [
  { transform: 'spatial', rotation: [-0.5, 0.5], rotationProbability: 0.5, elasticProbability: 1, elasticMagnitude: [0, 2] },
  { transform: 'noise', probability: 1 },
];

/** Loaders of made-up volumes that together use every option that decides bytes. */
export async function recordedLoaders(): Promise<Record<string, RecordedLoader>> {
  const { organs: store, regions, ignored, masked } = await stores();
  const previousStage = writePrevious(join(store.dir, '..', 'previous'), store);
  const base = { store, ...PATCH };
  const everything: LoaderOptions = {
    store,
    seed: 11,
    workers: 2,
    configs: [
      { ...DEEP, exposure: { tumour: 0.5 } },
      // biome-ignore format: points of a schedule
      { ...FLAT, oversample: [[0, 1], [4, 0]], caseWeights: { case_000: 3 } },
    ],
    fold: 0,
    validation: true,
    augmentation: 'default',
    previousStage,
    rank: 1,
    worldSize: 2,
  };
  return {
    none: { options: base, batches: 6 },
    default: { options: { ...base, augmentation: 'default', deepSupervision: SCALES }, batches: 12 },
    '2d': { options: { ...base, patchSize: [20, 18], batchSize: 9, augmentation: 'default' }, batches: 8 },
    'dummy 2d': { options: { ...base, patchSize: [4, 18, 20], augmentation: 'default' }, batches: 8 },
    mixed: { options: { store, seed: 7, workers: 2, configs: [DEEP, FLAT], augmentation: 'default' }, batches: 9 },
    exposure: { options: { ...base, exposure: { tumour: 0.6 } }, batches: 8 },
    cascade: { options: { ...base, previousStage, augmentation: 'default' }, batches: 8 },
    regions: { options: { ...base, store: regions, augmentation: 'default', deepSupervision: SCALES }, batches: 8 },
    'ignore label': { options: { ...base, store: ignored, augmentation: 'default' }, batches: 8 },
    'masked channels': { options: { ...base, store: masked, augmentation: 'default' }, batches: 8 },
    da5: { options: { ...base, augmentation: 'da5' }, batches: 8 },
    order0: { options: { ...base, augmentation: 'order0' }, batches: 8 },
    'no mirroring': { options: { ...base, augmentation: 'noMirroring' }, batches: 6 },
    compatible: { options: { ...base, augmentation: 'default', nnunetCompat: true }, batches: 8 },
    deformed: { options: { ...base, augmentation: DEFORMED }, batches: 2 },
    reflected: { options: { ...base, patchSize: [24, 24, 24], batchSize: 2, padMode: 'reflect' }, batches: 4 },
    validation: { options: { ...base, fold: 0, validation: true, augmentation: 'default' }, batches: 5 },
    'rank 1 of 2': { options: { ...base, batchSize: 5, rank: 1, worldSize: 2, augmentation: 'default' }, batches: 6 },
    resumed: { options: { ...base, augmentation: 'default' }, batches: 10, resumeAt: 5 },
    // biome-ignore format: points of schedules
    schedules: {
      options: {
        store, seed: 3, workers: 2,
        configs: [
          { ...DEEP, weight: [[0, 3], [6, 1]], oversample: [[0, 0], [8, 1]] },
          { ...FLAT, weight: [[0, 0], [6, 1]] },
        ],
      },
      batches: 12,
    },
    weights: { options: { ...base, caseWeights: { case_001: 4, case_002: 0 }, classWeights: { tumour: 3 } }, batches: 6 },
    probabilistic: { options: { ...base, batchSize: 2, probabilisticOversampling: 'realised' }, batches: 10 },
    everything: { options: everything, batches: 8 },
    'everything resumed': { options: everything, batches: 8, resumeAt: 3 },
  };
}
