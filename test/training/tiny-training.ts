import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../fixtures/paths.ts';

/** The plans of the example cases, with a network and patches small enough for a software Vulkan. */
export function tinyPlans(path: string): string {
  const plans = JSON.parse(readFileSync(EXAMPLE_PLANS, 'utf8'));
  const fullres = plans.configurations['3d_fullres'];
  Object.assign(fullres, { patch_size: [16, 16, 16], batch_size: 2 });
  Object.assign(fullres.architecture.arch_kwargs, {
    n_stages: 2,
    features_per_stage: [4, 8],
    kernel_sizes: [
      [3, 3, 3],
      [3, 3, 3],
    ],
    strides: [
      [1, 1, 1],
      [2, 2, 2],
    ],
    n_conv_per_stage: [1, 1],
    n_conv_per_stage_decoder: [1],
  });
  plans.configurations = { '3d_fullres': fullres };
  writeFileSync(path, JSON.stringify(plans));
  return path;
}

/** The 20 example cases, preprocessed by those plans. */
export async function tinyStore(dir: string): Promise<Store> {
  const store = join(dir, 'store');
  await preprocess(EXAMPLES, store, { plans: tinyPlans(join(dir, 'plans.json')), workers: 2 });
  return openStore(store);
}
