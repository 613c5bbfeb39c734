import type { PackedError } from '../common/errors.ts';
import type { Box, Triple } from '../common/geometry.ts';
import type { Labels } from '../raw/labels.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { Reading } from '../raw/readers.ts';
import type { PatchGrid, StoreOptions } from './grid.ts';
import type { Keeping } from './kept-cases.ts';
import type { NnunetOptions } from './preprocess-nnunet-case.ts';

/** What a preprocess worker is asked to do with one case. */
export type CaseTask = {
  raw: RawCase;
  reading: Reading;
  /** Set by the pool, where cases are kept from one task to the next. */
  keeping?: Keeping | undefined;
} & (
  | { kind: 'check'; labels: Labels }
  | { kind: 'fingerprint'; labels: Labels; samples: number; settings: string; cacheDir: string | null }
  | { kind: 'coverage'; labels: Labels; cropBox: Box; grids: PatchGrid[] }
  | { kind: 'write'; options: StoreOptions; optionsHash: string; patches: Triple[]; outDir: string }
  | { kind: 'write-nnunet'; options: NnunetOptions; optionsHash: string; dir: string }
);

/** Its answer: either a result or an error. */
export interface CaseAnswer<T> {
  result?: T;
  error?: PackedError;
  /** What is odd about the files, for the user to read. */
  notes: string[];
}
