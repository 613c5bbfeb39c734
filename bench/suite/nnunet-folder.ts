import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { preprocessForNnunet, type Store } from '../../src/index.ts';
import { storeConfiguration } from '../../src/store/store-configuration.ts';
import { CACHE, CONFIGURATIONS, type Configuration, EXAMPLE_PLANS, EXAMPLES } from './configurations.ts';

const NAME = 'Dataset004_Hippocampus';

/** The hippocampus cases as nnU-Net keeps them: `…/Dataset004_Hippocampus/nnUNetPlans_3d_fullres`. */
export async function nnunetFolder(): Promise<string> {
  // A folder of another name is none of nnU-Net's.
  const raw = join(CACHE, 'nnUNet_raw', NAME);
  mkdirSync(join(CACHE, 'nnUNet_raw'), { recursive: true });
  // The cache outlives checkouts.
  rmSync(raw, { force: true });
  symlinkSync(EXAMPLES, raw);
  const { configurations } = await preprocessForNnunet(raw, join(CACHE, 'nnUNet_preprocessed', NAME), {
    configs: ['3d_fullres'],
    plans: EXAMPLE_PLANS,
  });
  return configurations[0].dir;
}

/** What its plans stream, with the default augmentation: as many voxels as of configuration b, but four times its batches at most. */
export function folderConfiguration(store: Store): Configuration {
  const { patchSize, batchSize } = storeConfiguration(store);
  const voxels = patchSize.reduce((product, size) => product * size, batchSize);
  const { b } = CONFIGURATIONS;
  return {
    ...b,
    about: `${basename(dirname(store.dir))}, ${patchSize.join('x')}, batch ${batchSize}`,
    patch: [...patchSize],
    batch: batchSize,
    batches: Math.ceil(b.batches * Math.min(4, (2 * 128 ** 3) / voxels)),
    targets: Math.max(...patchSize) > 64 ? 5 : 3,
  };
}
