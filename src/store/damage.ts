import { fileError, VoxfeedError } from '../common/errors.ts';

/** What is wrong with one file of a store. */
export interface Damage {
  path: string;
  what: string;
}

/** What a run of `verifyStore` found. */
export interface VerifyReport {
  dir: string;
  cases: number;
  /** How many files were looked at, the index included. */
  files: number;
  /** Missing or damaged; none if the store is whole. */
  damaged: Damage[];
  /** Files of the user's that are not as they were written any more, and can be used: splits_final.json. None: left out. */
  edited?: Damage[];
  /**
   * Of nnU-Net's folder: how many files had no checksum to be compared with. Theirs are kept now, beside it, unless nothing may be written
   * there.
   */
  unknown?: number;
}

/** A file that could not be read, in the words of the error. */
export function unreadable(path: string, error: unknown): Damage {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { path, what: 'the file is missing' };
  const known = fileError(path, error);
  return known instanceof VoxfeedError ? { path: known.where, what: known.what } : { path, what: known.message };
}
