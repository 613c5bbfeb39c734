import type { PackedError } from '../common/errors.ts';
import type { Box, Triple } from '../common/geometry.ts';
import type { Labels } from '../raw/labels.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { PatchGrid, StoreOptions } from './grid.ts';
import type { NnunetOptions } from './preprocess-nnunet-case.ts';

/** What a preprocess worker is asked to do with one case. */
export type CaseTask =
  | { kind: 'check'; raw: RawCase; labels: Labels }
  | { kind: 'fingerprint'; raw: RawCase; labels: Labels; samples: number; settings: string; cacheDir: string | null }
  | { kind: 'coverage'; raw: RawCase; labels: Labels; cropBox: Box; grids: PatchGrid[] }
  | { kind: 'write'; raw: RawCase; options: StoreOptions; optionsHash: string; patches: Triple[]; outDir: string }
  | { kind: 'write-nnunet'; raw: RawCase; options: NnunetOptions; optionsHash: string; dir: string };

/** Its answer: exactly one of the two is set. */
export interface CaseAnswer<T> {
  result?: T;
  error?: PackedError;
}
