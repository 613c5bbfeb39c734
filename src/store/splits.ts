import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DatasetError, fileError, OptionError } from '../common/errors.ts';
import { xxh64 } from '../common/hash.ts';
import { checkContents, parseJson } from '../common/json-file.ts';
import { NumpyRandom } from '../common/numpy-random.ts';
import { shown } from '../common/options.ts';
import { list, object, text } from '../common/schemas.ts';
import { SPLITS_FILE } from './file-names.ts';

/** One fold of a cross-validation: ids of cases. */
export interface Split {
  train: string[];
  val: string[];
}

const SPLITS = list(object({ train: list(text('the id of a case')), val: list(text('the id of a case')) }));

const FOLDS = 5;
/** nnU-Net's seed (`crossval_split.py`). */
const SEED = 12345;

const CORRECT = 'Correct it, or remove it: five folds are made then';

/** Cases by their ids: those to train on, and those to validate on. */
export interface CaseChoice {
  training: readonly string[];
  validation?: readonly string[];
}

/** The cases of one fold, as positions in the list of cases, ascending. */
export interface FoldCases {
  /** Null: cases that were chosen one by one. */
  fold: number | 'all' | null;
  training: number[];
  validation: number[];
  /** Of the ids of both: other cases make another stream. */
  hash: string;
}

/**
 * The folds that scikit-learn's `KFold(5, shuffle=True, random_state=12345)` gives, as nnU-Net uses them. Pure.
 * @param ids sorted
 * @returns none for fewer than five cases: scikit-learn refuses those
 */
export function fiveFolds(ids: readonly string[]): Split[] {
  if (ids.length < FOLDS) return [];
  const order = new NumpyRandom(SEED).permutation(ids.length);
  let used = 0;
  return Array.from({ length: FOLDS }, (_, fold) => {
    // The first folds take the cases that are left over.
    const size = Math.floor(ids.length / FOLDS) + (fold < ids.length % FOLDS ? 1 : 0);
    const validation = new Set(order.subarray(used, used + size));
    used += size;
    return { train: ids.filter((_, i) => !validation.has(i)), val: ids.filter((_, i) => validation.has(i)) };
  });
}

/**
 * A splits file in a folder, if there is one. Data sets may come with one; nnU-Net takes it over.
 * @throws DatasetError for one that cannot be used, FileError
 */
export async function readSplits(dir: string, ids: readonly string[], action = CORRECT): Promise<Split[] | null> {
  const path = join(dir, SPLITS_FILE);
  const contents = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw fileError(path, error);
  });
  if (contents === null) return null;
  const splits = parseJson(path, contents, v.unknown(), { Failure: DatasetError, action });
  const checked = checkSplits(path, splits, ids, action);
  if (checked.length > 0) return checked;
  throw new DatasetError(path, 'it has no fold', action);
}

/** Folds of these cases. @param where for messages. @throws DatasetError */
export function checkSplits(where: string, splits: unknown, ids: readonly string[], action: string): Split[] {
  checkContents(where, splits, SPLITS, { Failure: DatasetError, action });
  const known = new Set(ids);
  const checked = splits as Split[];
  const unknown = checked.flatMap(({ train, val }) => [...train, ...val]).find((id) => !known.has(id));
  if (unknown !== undefined) throw new DatasetError(where, `it names a case ${shown(unknown)} that is not there`, action);
  return checked;
}

/** What should be known of folds that can be used: cases in both parts of one, which nnU-Net warns of, too. One note a fold. */
export function overlapsOf(where: string, splits: readonly Split[]): string[] {
  return splits.flatMap(({ train, val }, fold) => {
    const trained = new Set(train);
    const both = [...new Set(val)].filter((id) => trained.has(id));
    return both.length === 0 ? [] : [`${where}: ${inBoth(both, `fold ${fold}`)}`];
  });
}

function inBoth(ids: readonly string[], of: string): string {
  const [first, ...others] = ids;
  const which = others.length === 0 ? `case ${first} is` : `${ids.length} cases, such as ${first}, are`;
  return `${which} in training and in validation of ${of}, whose scores come out too high then`;
}

/** What folds are of. A `Store` is one. */
interface FoldedStore {
  /** Where the splits file is. */
  aboutDir: string;
  cases: readonly { id: string }[];
}

/**
 * The cases of a fold of a store; 'all' trains and validates on every case, as nnU-Net does.
 * @param store its folder holds the splits file
 * @throws OptionError, DatasetError, FileError
 */
export async function readFold(store: FoldedStore, fold: unknown): Promise<FoldCases> {
  const ids = store.cases.map(({ id }) => id);
  if (fold === 'all') {
    const every = ids.map((_, caseNumber) => caseNumber);
    return { fold, training: every, validation: every, hash: await xxh64(JSON.stringify([ids, ids])) };
  }
  const path = join(store.aboutDir, SPLITS_FILE);
  if (!Number.isInteger(fold) || (fold as number) < 0)
    throw new OptionError(
      'fold',
      `${JSON.stringify(fold) ?? 'nothing'} is no fold`,
      `Give the number of a fold in ${path}, from 0, or 'all'`,
    );
  // nnU-Net writes the file when it trains first: until then, its folds are these.
  const splits = (await readSplits(store.aboutDir, ids, 'Correct it, or leave `fold` out')) ?? fiveFolds(ids);
  if (splits.length === 0)
    throw new DatasetError(
      path,
      `there is no such file, and ${ids.length} cases are too few for five folds`,
      "Put it there, or set `fold` to 'all'",
    );
  const split = splits[fold as number];
  if (split === undefined)
    throw new OptionError('fold', `${path} has no fold ${fold}`, `Its folds are 0 to ${splits.length - 1}; 'all' takes every case`);
  for (const part of ['train', 'val'] as const) {
    if (split[part].length === 0)
      throw new DatasetError(path, `"${part}" of fold ${fold} has no case`, 'Correct it, or choose another `fold`');
  }
  return positioned(fold as number, ids, split.train, split.val);
}

/**
 * What `fold` or `cases` of a loader choose; null where neither is given.
 * @throws OptionError, DatasetError, FileError
 */
export async function foldOf(store: FoldedStore, fold: unknown, cases: CaseChoice | undefined): Promise<FoldCases | null> {
  if (cases === undefined) return fold === undefined ? null : readFold(store, fold);
  if (fold !== undefined) throw new OptionError('cases', 'they are given beside `fold`, which chooses cases, too', 'Leave one of them out');
  const ids = store.cases.map(({ id }) => id);
  const known = new Set(ids);
  const { training, validation = [] } = cases ?? {};
  for (const [name, list] of Object.entries({ training, validation })) {
    if (!Array.isArray(list))
      throw new OptionError(`cases.${name}`, 'it is no list of case ids', "Give { training: ['case_1', …], validation: ['case_2', …] }");
    const unknown = list.find((id) => !known.has(id));
    if (unknown !== undefined)
      throw new OptionError(`cases.${name}`, `the store has no case ${JSON.stringify(unknown)}`, `It has ${ids.length}, as ${ids[0]}`);
  }
  if (training.length === 0) throw new OptionError('cases.training', 'it names no case', 'Name at least one');
  return positioned(null, ids, training, validation);
}

async function positioned(fold: FoldCases['fold'], ids: string[], train: readonly string[], val: readonly string[]): Promise<FoldCases> {
  const positions = (part: readonly string[]): number[] => {
    const named = new Set(part);
    return ids.flatMap((id, caseNumber) => (named.has(id) ? [caseNumber] : []));
  };
  const [training, validation] = [positions(train), positions(val)];
  const hash = await xxh64(JSON.stringify([training, validation].map((part) => part.map((caseNumber) => ids[caseNumber]))));
  return { fold, training, validation, hash };
}

/** Warns of cases in both parts of a fold, unless it is the one of all cases. */
export function warnOfOverlap({ cases }: Pick<FoldedStore, 'cases'>, { fold, training, validation }: FoldCases): void {
  const trained = new Set(training);
  const both = validation.filter((caseNumber) => trained.has(caseNumber)).map((caseNumber) => cases[caseNumber].id);
  if (fold === 'all' || both.length === 0) return;
  const [where, of] = fold === null ? ['cases', 'this choice'] : [SPLITS_FILE, `fold ${fold}`];
  process.emitWarning(`${where}: ${inBoth(both, of)}`, 'VoxfeedWarning');
}
