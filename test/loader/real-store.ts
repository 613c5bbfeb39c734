import { join } from 'node:path';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** The 20 real cases of the checkout, preprocessed, with the plans of the whole data set. */
export async function realStore(): Promise<Store> {
  const dir = join(temporaryFolder(), 'store');
  await preprocess(EXAMPLES, dir, { workers: 2, plans: EXAMPLE_PLANS });
  return openStore(dir);
}
