import { join } from 'node:path';
import type { Plans } from '../plans/plans.ts';

/** The index of a store: written last, so its presence says that the store is whole. */
export const INDEX_FILE = 'voxfeed.json';
/** How many class locations the cases of a store have. */
export const COUNTS_FILE = 'voxfeed.counts';
/** nnU-Net's description of the data set. */
export const DATASET_FILE = 'dataset.json';
/** nnU-Net's folds. */
export const SPLITS_FILE = 'splits_final.json';
/** What the data set was planned from, in nnU-Net's format. */
export const FINGERPRINT_FILE = 'dataset_fingerprint.json';
/** How much foreground oversampling each configuration needs. */
export const ADVICE_FILE = 'oversampling.json';

/** nnU-Net's name for a plans file. */
export function plansFile({ plans_name }: Pick<Plans, 'plans_name'>): string {
  return `${plans_name}.json`;
}

/** How the voxels of a case are stored: ours and nnU-Net's unpacked ones, nnU-Net's of today, and its older archives of both arrays. */
export type ArrayFormat = 'npy' | 'b2nd' | 'npz';

/** What images are written as. */
export const IMAGE_DTYPES = ['float32', 'float16', 'int16'] as const;
export type ImageDtype = (typeof IMAGE_DTYPES)[number];

/** The files of one stored case. */
interface CaseFiles {
  data: string;
  segmentation: string;
  sidecar: string;
}

/** Their names; in an archive, both arrays are in one file. */
export function fileNames(id: string, format: ArrayFormat = 'npy'): CaseFiles {
  const data = `${id}.${format}`;
  return { data, segmentation: format === 'npz' ? data : `${id}_seg.${format}`, sidecar: `${id}.msgpack` };
}

/** Their paths. */
export function caseFiles(dir: string, id: string, format?: ArrayFormat): CaseFiles {
  const { data, segmentation, sidecar } = fileNames(id, format);
  return { data: join(dir, data), segmentation: join(dir, segmentation), sidecar: join(dir, sidecar) };
}
