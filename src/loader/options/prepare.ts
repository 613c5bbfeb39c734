import { loadCustomSteps } from '../../augmentation/options.ts';
import { openPreviousStage, type PreviousStage } from '../../store/previous-stage.ts';
import { checkStore, type LoaderOptions } from './options.ts';
import { applyState, checkState, type Positions, type ResumeOptions } from './state.ts';
import { allConfigurations, type ResolvedStreams, resolveStreams } from './streams.ts';

/**
 * Options on their way to whoever makes patches: completed from a state, checked, files of a previous stage and modules opened.
 * @throws OptionError, StateError, DatasetError, CaseError, FileError
 */
export async function prepareOptions(given: LoaderOptions | ResumeOptions): Promise<{ streams: ResolvedStreams; next: Positions }> {
  checkStore((given as LoaderOptions | undefined)?.store);
  const { options, next, saved } = applyState(given);
  const streams = await resolveStreams(options, await previousOf(options), saved);
  checkState(streams, given);
  for (const { augmentation } of allConfigurations(streams)) await loadCustomSteps(augmentation);
  return { streams, next };
}

/** The previous stage of a cascade, where options name one. */
async function previousOf({ store, previousStage }: LoaderOptions): Promise<PreviousStage | null> {
  checkStore(store);
  return previousStage === undefined ? null : openPreviousStage(previousStage, store);
}
