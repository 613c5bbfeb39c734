import { join } from 'node:path';
import { openStore, preprocess, type Store } from 'voxfeed';

/** Where examples write; git ignores it. */
export const OUTPUT = join(import.meta.dirname, 'output');

/** The 20 cases beside this file, preprocessed as planned on all 260 of their data set. What is finished already stays. */
export async function hippocampus(): Promise<Store> {
  const store = join(OUTPUT, 'hippocampus');
  await preprocess(join(import.meta.dirname, 'data'), store, { plans: join(import.meta.dirname, 'nnUNetPlans.json') });
  return openStore(store);
}
