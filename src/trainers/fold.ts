import { hasher } from '../dataset/hash.ts';
import { Store } from '../dataset/store.ts';
import { contentHash } from '../dataset/store-index.ts';
import { OptionError } from '../errors.ts';
import { readSplits, SPLITS_FILE } from '../preprocessing/splits.ts';

/**
 * The training and validation cases of a fold of the store's splits_final.json, as two stores of the same files; 'all' trains on
 * every case and validates on none.
 * @throws OptionError if there is no such fold, DatasetError for damaged splits
 */
export async function foldStores(store: Store, fold: number | 'all'): Promise<{ training: Store; validation: Store | null }> {
  if (fold === 'all') return { training: store, validation: null };
  const splits = await readSplits(
    store.dir,
    store.cases.map(({ id }) => id),
  );
  if (splits === null)
    throw new OptionError('fold', `the store has no ${SPLITS_FILE}`, "Take the fold 'all', or preprocess five cases or more");
  if (!(fold in splits))
    throw new OptionError(
      'fold',
      `${fold} is none of the ${splits.length} folds of ${SPLITS_FILE}`,
      `Take one of 0 to ${splits.length - 1}, or 'all'`,
    );
  const checksum = await hasher();
  const only = (ids: readonly string[]): Store => {
    const index = { ...store.index, cases: store.cases.filter(({ id }) => ids.includes(id)) };
    return new Store(store.dir, index, contentHash(checksum, index), checksum);
  };
  return { training: only(splits[fold].train), validation: only(splits[fold].val) };
}
