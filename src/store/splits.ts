import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatasetError, fileError, OptionError } from '../common/errors.ts';
import { xxh64 } from '../common/hash.ts';
import { SPLITS_FILE } from './file-names.ts';

/** One fold of a cross-validation: ids of cases. */
export interface Split {
  train: string[];
  val: string[];
}

const CORRECT = 'Correct it, or remove it: five folds are made then';

/** The cases of one fold, as positions in the list of cases, ascending. */
export interface Fold {
  fold: number | 'all';
  training: number[];
  validation: number[];
  /** Of the ids of both: other cases make another stream. */
  hash: string;
}

/**
 * A splits file in a folder, if there is one. Data sets may come with one; nnU-Net takes it over.
 * @throws DatasetError for one that cannot be used, FileError
 */
export async function readSplits(dir: string, ids: readonly string[], action = CORRECT): Promise<Split[] | null> {
  const path = join(dir, SPLITS_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError(path, error);
  }
  let splits: unknown;
  try {
    splits = JSON.parse(text);
  } catch (error) {
    throw new DatasetError(path, `it is not JSON (${(error as Error).message})`, action, { cause: error });
  }
  const checked = checkSplits(path, splits, ids, action);
  if (checked.length > 0) return checked;
  throw new DatasetError(path, 'it has no fold', action);
}

/** Folds of these cases. @param where for messages. @throws DatasetError */
export function checkSplits(where: string, splits: unknown, ids: readonly string[], action: string): Split[] {
  const isList = (list: unknown): list is string[] => Array.isArray(list) && list.every((id) => typeof id === 'string');
  if (!Array.isArray(splits) || !splits.every((split) => isList(split?.train) && isList(split?.val)))
    throw new DatasetError(where, 'it is not a list of {"train": [ids], "val": [ids]}', action);
  const known = new Set(ids);
  const unknown = splits.flatMap(({ train, val }) => [...train, ...val]).find((id) => !known.has(id));
  if (unknown !== undefined) throw new DatasetError(where, `it names a case "${unknown}" that is not there`, action);
  return splits;
}

/**
 * The cases of a fold of a store; 'all' trains and validates on every case, as nnU-Net does.
 * @param store its folder holds the splits file
 * @throws OptionError, DatasetError, FileError
 */
export async function readFold(store: { dir: string; cases: readonly { id: string }[] }, fold: unknown): Promise<Fold> {
  const ids = store.cases.map(({ id }) => id);
  if (fold === 'all') {
    const every = ids.map((_, caseNumber) => caseNumber);
    return { fold, training: every, validation: every, hash: await xxh64(JSON.stringify([ids, ids])) };
  }
  const path = join(store.dir, SPLITS_FILE);
  if (!Number.isInteger(fold) || (fold as number) < 0)
    throw new OptionError(
      'fold',
      `${JSON.stringify(fold) ?? 'nothing'} is no fold`,
      `Give the number of a fold in ${path}, from 0, or 'all'`,
    );
  const splits = await readSplits(store.dir, ids, 'Correct it, or leave `fold` out');
  if (splits === null)
    throw new DatasetError(
      path,
      `there is no such file, so that there is no fold ${fold}`,
      "Put it there, or set `fold` to 'all'; five cases or more get one from `voxfeed preprocess`",
    );
  const split = splits[fold as number];
  if (split === undefined)
    throw new OptionError('fold', `${path} has no fold ${fold}`, `Its folds are 0 to ${splits.length - 1}; 'all' takes every case`);
  for (const part of ['train', 'val'] as const) {
    if (split[part].length === 0)
      throw new DatasetError(path, `"${part}" of fold ${fold} has no case`, 'Correct it, or choose another `fold`');
  }
  const positions = (part: readonly string[]): number[] => {
    const named = new Set(part);
    return ids.flatMap((id, caseNumber) => (named.has(id) ? [caseNumber] : []));
  };
  const [training, validation] = [positions(split.train), positions(split.val)];
  const hash = await xxh64(JSON.stringify([training, validation].map((part) => part.map((caseNumber) => ids[caseNumber]))));
  return { fold: fold as number, training, validation, hash };
}
