import { loadCustomSteps } from './augmentation/options.ts';
import { openPreviousStage, type PreviousStage } from './dataset/previous-stage.ts';
import { type LoaderOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { applyState, checkState, type ResumeOptions } from './state.ts';

/**
 * Options on their way to whoever makes patches: completed from a state, checked, files of a previous stage and modules opened.
 * @throws OptionError, StateError, CaseError, FileError
 */
export async function prepareOptions(given: LoaderOptions | ResumeOptions): Promise<{ options: ResolvedOptions; nextBatch: number }> {
  const { options: complete, nextBatch } = applyState(given);
  const options = resolveOptions(complete, await previousOf(complete));
  checkState(options, given);
  await loadCustomSteps(options.augmentation);
  return { options, nextBatch };
}

/** The previous stage of a cascade, where options name one. */
async function previousOf({ store, previousStage }: LoaderOptions): Promise<PreviousStage | null> {
  // Of a store that is none, the options' own check says so.
  return previousStage === undefined || typeof store?.location !== 'function' ? null : openPreviousStage(previousStage, store);
}
