import { join } from 'node:path';
import { StoreError } from '../common/errors.ts';
import { show } from '../common/geometry.ts';
import {
  type PlannedConfiguration,
  plannedConfiguration,
  resolveConfiguration,
  sharesGrid,
  sharesVoxels,
  type Voxels,
} from '../plans/plans-file.ts';
import type { Store } from './store.ts';

/** What the cases of a store were made by. Of nnU-Net's folder the identifier is known, and the rest if it is known here. */
type Written = Partial<Voxels> & { dataIdentifier?: string };

/**
 * A configuration of the plans in a store; without a name, the one that its cases were written for.
 * @throws PlansError if there is no such configuration; StoreError if there are no plans, or the cases have another grid
 */
export function storeConfiguration(store: Store, name: string | null = store.index.configuration): PlannedConfiguration {
  const { dir, aboutDir, index, plans } = store;
  if (plans === null || index.plans === null || name === null)
    throw new StoreError(dir, 'the store has no plans', 'Give patch and batch size, or run `voxfeed preprocess`, which plans first');
  const path = join(aboutDir, index.plans);
  const wanted = plannedConfiguration(path, plans, name);
  // As they were written, whatever the plans say by now.
  const written = index.options as Written;
  if (written.dataIdentifier !== undefined && written.dataIdentifier === wanted.dataIdentifier) return wanted;
  const action = `Preprocess with \`config\` ${name} into another folder`;
  if (!hasVoxels(written))
    throw new StoreError(dir, `its cases were written for ${index.configuration}, ${name} has cases of its own`, action);
  const resolved = resolveConfiguration(path, plans, name);
  if (sharesVoxels(written, resolved)) return wanted;
  throw new StoreError(
    dir,
    `its cases were written for ${index.configuration} (spacing ${show(written.spacing)}), ${name} has ${sharesGrid(written, resolved) ? 'another normalisation, resampling or order of axes' : show(wanted.spacing)}`,
    action,
  );
}

function hasVoxels(written: Written): written is Voxels {
  return written.spacing !== undefined && written.resampling !== undefined;
}
