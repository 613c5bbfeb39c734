import { NumpyRandom } from '../common/numpy-random.ts';
import type { RawDataset } from '../raw/raw-dataset.ts';
import { SPLITS_FILE } from '../store/file-names.ts';
import { readSplits, type Split } from '../store/splits.ts';

const FOLDS = 5;
/** nnU-Net's seed (`crossval_split.py`). */
const SEED = 12345;

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

/** nnU-Net's order of preference: the data set's own splits, those already there, five folds; none for too few cases. */
export async function chooseSplits({ dir, cases }: RawDataset, outDir: string): Promise<{ splits: Split[]; notes: string[] }> {
  const ids = cases.map(({ id }) => id);
  const splits = (await readSplits(dir, ids)) ?? (await readSplits(outDir, ids)) ?? fiveFolds(ids);
  if (splits.length === 0)
    return { splits, notes: [`${ids.length} ${ids.length === 1 ? 'case is' : 'cases are'} too few for five folds: no ${SPLITS_FILE}`] };
  const used = new Set(splits.flatMap(({ train, val }) => [...train, ...val]));
  const unused = ids.filter((id) => !used.has(id));
  const notes = unused.length === 0 ? [] : [`${unused.length} cases, such as ${unused[0]}, are in no fold of ${SPLITS_FILE}`];
  return { splits, notes };
}
