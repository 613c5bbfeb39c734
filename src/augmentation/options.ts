import { OptionError } from '../common/errors.ts';
import { shown } from '../common/options.ts';
import { PRESETS, type PresetContext, type PresetName, presetSteps } from './presets.ts';
import { completeSteps, unfold } from './steps.ts';
import type { Step } from './transform.ts';
import { type CustomStep, loadCustom } from './transforms/custom.ts';

/** A preset's steps, or the user's own list, checked; what they leave out is left out still. @throws OptionError */
export function resolveSteps(given: PresetName | readonly Step[], context: PresetContext): Step[] {
  if (typeof given === 'string') return presetSteps(given, context);
  if (!Array.isArray(given))
    throw new OptionError('augmentation', `${shown(given)} is no pipeline`, `Give one of ${PRESETS.join(', ')}, or a list of steps`);
  completeSteps(given);
  if (given.filter(({ transform }) => transform === 'spatial').length > 1)
    throw new OptionError('augmentation', 'it has more than one spatial step', 'Put rotation, scaling and deformation into one');
  // As workers and states will have it: nothing shared with the caller.
  return structuredClone([...given]);
}

/** The modules of custom steps. */
export function customModules(steps: readonly Step[]): string[] {
  return unfold(steps).flatMap((step) => (step.transform === 'custom' ? [(step as CustomStep).module] : []));
}

/** Imports the modules of custom steps into this thread. @throws OptionError */
export async function loadCustomSteps(steps: readonly Step[]): Promise<void> {
  for (const module of customModules(steps)) await loadCustom(module);
}
