import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileError, StoreError } from '../common/errors.ts';
import { show } from '../common/geometry.ts';
import type { Store } from '../store/store.ts';
import { type Configuration, parsePlans, resolveConfiguration, sharesGrid, sharesVoxels, type Voxels } from './plans-file.ts';

/**
 * A configuration of the plans in a store; without a name, the one that its cases were written for.
 * @throws PlansError if there is no such configuration; StoreError if there are no plans, or the cases have another grid
 */
export function storeConfiguration({ dir, index }: Store, name: string | null = index.configuration): Configuration {
  if (index.plans === null || index.configuration === null || name === null)
    throw new StoreError(dir, 'the store has no plans', 'Give patch and batch size, or run `voxfeed preprocess`, which plans first');
  const path = join(dir, index.plans);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(path, error);
  }
  const plans = parsePlans(path, text);
  const wanted = resolveConfiguration(path, plans, name);
  // As they were written, whatever the plans say by now.
  const written = index.options as Voxels;
  if (sharesVoxels(written, wanted)) return wanted;
  throw new StoreError(
    dir,
    `its cases were written for ${index.configuration} (spacing ${show(written.spacing)}), ${name} has ${sharesGrid(written, wanted) ? 'another normalisation, resampling or order of axes' : show(wanted.spacing)}`,
    `Preprocess with --config ${name} into another folder`,
  );
}
