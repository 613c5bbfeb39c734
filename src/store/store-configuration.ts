import { join } from 'node:path';
import { StoreError } from '../common/errors.ts';
import { show } from '../common/geometry.ts';
import { type Configuration, resolveConfiguration, sharesGrid, sharesVoxels, type Voxels } from '../plans/plans-file.ts';
import type { Store } from './store.ts';

/**
 * A configuration of the plans in a store; without a name, the one that its cases were written for.
 * @throws PlansError if there is no such configuration; StoreError if there are no plans, or the cases have another grid
 */
export function storeConfiguration({ dir, index, plans }: Store, name: string | null = index.configuration): Configuration {
  if (plans === null || index.plans === null || name === null)
    throw new StoreError(dir, 'the store has no plans', 'Give patch and batch size, or run `voxfeed preprocess`, which plans first');
  const wanted = resolveConfiguration(join(dir, index.plans), plans, name);
  // As they were written, whatever the plans say by now.
  const written = index.options as Voxels;
  if (sharesVoxels(written, wanted)) return wanted;
  throw new StoreError(
    dir,
    `its cases were written for ${index.configuration} (spacing ${show(written.spacing)}), ${name} has ${sharesGrid(written, wanted) ? 'another normalisation, resampling or order of axes' : show(wanted.spacing)}`,
    `Preprocess with --config ${name} into another folder`,
  );
}
