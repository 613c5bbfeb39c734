import type { RawDataset } from '../raw/raw-dataset.ts';
import { SPLITS_FILE } from '../store/file-names.ts';
import { fiveFolds, overlapsOf, readSplits, type Split } from '../store/splits.ts';

/** nnU-Net's order of preference: the data set's own splits, those already there, five folds; none for too few cases. */
export async function chooseSplits({ dir, cases }: RawDataset, outDir: string): Promise<{ splits: Split[]; notes: string[] }> {
  const ids = cases.map(({ id }) => id);
  const splits = (await readSplits(dir, ids)) ?? (await readSplits(outDir, ids)) ?? fiveFolds(ids);
  if (splits.length === 0)
    return { splits, notes: [`${ids.length} ${ids.length === 1 ? 'case is' : 'cases are'} too few for five folds: no ${SPLITS_FILE}`] };
  const used = new Set(splits.flatMap(({ train, val }) => [...train, ...val]));
  const unused = ids.filter((id) => !used.has(id));
  const notes = overlapsOf(SPLITS_FILE, splits);
  if (unused.length > 0) notes.push(`${unused.length} cases, such as ${unused[0]}, are in no fold of ${SPLITS_FILE}`);
  return { splits, notes };
}
