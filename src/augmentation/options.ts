import { OptionError } from '../common/errors.ts';
import { PRESETS, type PresetContext, type PresetName, presetSteps } from './presets.ts';
import type { Step } from './transform.ts';
import { loadCustom } from './transforms/custom.ts';
import { TRANSFORMS } from './transforms/index.ts';

/** A preset's steps, or the user's own list, checked. @throws OptionError */
export function resolveSteps(given: PresetName | readonly Step[], context: PresetContext): Step[] {
  if (typeof given === 'string') return presetSteps(given, context);
  if (!Array.isArray(given))
    throw new OptionError(
      'augmentation',
      `${JSON.stringify(given) ?? 'nothing'} is no pipeline`,
      `Give one of ${PRESETS.join(', ')}, or a list of steps`,
    );
  for (const [i, step] of given.entries()) checkStep(step, `augmentation[${i}]`);
  if (given.filter(({ transform }) => transform === 'spatial').length > 1)
    throw new OptionError('augmentation', 'it has more than one spatial step', 'Put rotation, scaling and deformation into one');
  // As workers and states will have it: nothing shared with the caller.
  return structuredClone([...given]);
}

function checkStep(step: unknown, path: string): void {
  const name = (step as Step | null)?.transform;
  if (typeof name !== 'string' || !Object.hasOwn(TRANSFORMS, name))
    throw new OptionError(
      path,
      `there is no transform ${JSON.stringify(name) ?? 'named'}`,
      `Its \`transform\` is one of ${Object.keys(TRANSFORMS).join(', ')}`,
    );
  TRANSFORMS[name].check(step, path);
}

/** Imports the modules of custom steps into this thread. @throws OptionError */
export async function loadCustomSteps(steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if ('module' in step) await loadCustom(step.module as string);
    if ('of' in step) await loadCustomSteps(step.of as Step[]);
  }
}
