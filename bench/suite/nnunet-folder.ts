import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { preprocessForNnunet } from '../../src/index.ts';
import { CACHE, EXAMPLE_PLANS, EXAMPLES } from './configurations.ts';

const NAME = 'Dataset004_Hippocampus';

/** The hippocampus cases as nnU-Net keeps them: `…/Dataset004_Hippocampus/nnUNetPlans_3d_fullres`. */
export async function nnunetFolder(): Promise<string> {
  // A folder of another name is none of nnU-Net's.
  const raw = join(CACHE, 'nnUNet_raw', NAME);
  mkdirSync(join(CACHE, 'nnUNet_raw'), { recursive: true });
  if (!existsSync(raw)) symlinkSync(EXAMPLES, raw);
  const { configurations } = await preprocessForNnunet(raw, join(CACHE, 'nnUNet_preprocessed', NAME), {
    configs: ['3d_fullres'],
    plans: EXAMPLE_PLANS,
  });
  return configurations[0].dir;
}
