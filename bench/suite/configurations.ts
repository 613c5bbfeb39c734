import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Triple, triple } from '../../src/common/geometry.ts';
import type { LoaderOptions } from '../../src/index.ts';
import { openStore, preprocess, type Store } from '../../src/index.ts';
import type { Plan } from './plan.ts';
import { syntheticStore } from './synthetic-store.ts';

/** Where data sets are made, once: on a disk, as a cold page cache is among what is measured. */
export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'voxfeed-bench');

/** What is streamed, out of what. */
export interface Configuration {
  about: string;
  /** Of made-up volumes; null: the hippocampus cases of this repository. */
  volume: Triple | null;
  /** Default 1. */
  channels?: number;
  /** Whether there is nothing outside of an ellipsoid, and channels are set to 0 there. */
  masked?: boolean;
  patch: number[];
  batch: number;
  /** To be timed: a second of one core. */
  batches: number;
  augmentation: 'none' | 'default';
  /** Number of targets, each half as long as the one before it. */
  targets: number;
}

const LARGE: Triple = [160, 300, 300];
/** As many voxels in slices that hold a 2D patch of 512. */
const WIDE: Triple = [40, 600, 600];
const SMALL: Triple = [36, 50, 36];
const CUBE = [128, 128, 128];
const HIPPOCAMPUS = [40, 56, 40];

const augmented = { augmentation: 'default' as const };
const cropped = { augmentation: 'none' as const, targets: 1 };

export const CONFIGURATIONS: Record<string, Configuration> = {
  b: { about: '3D 128, batch 2', volume: LARGE, patch: CUBE, batch: 2, batches: 40, targets: 5, ...augmented },
  c: { about: '2D 512, batch 12', volume: WIDE, patch: [512, 512], batch: 12, batches: 50, targets: 7, ...augmented },
  d: { about: '3D 40x56x40, batch 9', volume: LARGE, patch: HIPPOCAMPUS, batch: 9, batches: 150, targets: 3, ...augmented },
  e: {
    about: '3D 128, batch 2, four channels with mask',
    volume: LARGE,
    channels: 4,
    masked: true,
    patch: CUBE,
    batch: 2,
    batches: 16,
    targets: 5,
    ...augmented,
  },
  crop128: { about: 'crop only, 3D 128, batch 2', volume: LARGE, patch: CUBE, batch: 2, batches: 150, ...cropped },
  crop40: { about: 'crop only, 3D 40x56x40, batch 9', volume: SMALL, patch: HIPPOCAMPUS, batch: 9, batches: 800, ...cropped },
  crop2d: { about: 'crop only, 2D 256, batch 12', volume: LARGE, patch: [256, 256], batch: 12, batches: 500, ...cropped },
  hippocampus3d: {
    about: 'hippocampus, 3D 40x56x40, batch 9',
    volume: null,
    patch: HIPPOCAMPUS,
    batch: 9,
    batches: 150,
    targets: 3,
    ...augmented,
  },
  hippocampus2d: {
    about: 'hippocampus, 2D 56x40, batch 366',
    volume: null,
    patch: [56, 40],
    batch: 366,
    batches: 12,
    targets: 3,
    ...augmented,
  },
};

/** Cases of a made-up data set. */
const CASES = 4;

/** Its data set; made where it is not there. One after the other: two that want the same one must not both make it. */
export function storeOf({ volume: full, channels = 1, masked = false }: Configuration, { quick }: Pick<Plan, 'quick'>): Promise<Store> {
  if (full === null) return hippocampusStore();
  const volume = quick ? triple((axis) => Math.ceil(full[axis] / 2)) : full;
  return syntheticStore(join(CACHE, `${volume.join('x')}-${channels}${masked ? '-masked' : ''}`), CASES, volume, { channels, masked });
}

/** The 20 hippocampus cases of this repository, and their plans, made on all 260 of their data set. */
export const EXAMPLES = join(import.meta.dirname, '../../examples/data');
export const EXAMPLE_PLANS = join(import.meta.dirname, '../../examples/nnUNetPlans.json');

export async function hippocampusStore(): Promise<Store> {
  const dir = join(CACHE, 'hippocampus');
  await preprocess(EXAMPLES, dir, { plans: EXAMPLE_PLANS });
  return openStore(dir);
}

/** What a loader is asked for; the rest is as it is by itself, cases kept in memory too. */
export function optionsOf({ patch, batch, augmentation, targets }: Configuration, seed: number, workers = 1): Omit<LoaderOptions, 'store'> {
  const deepSupervision = Array.from({ length: targets }, (_, i) => patch.map(() => 2 ** -i));
  return { patchSize: patch, batchSize: batch, seed, workers, augmentation, deepSupervision };
}
