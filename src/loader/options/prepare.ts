import { customModules, loadCustomSteps } from '../../augmentation/options.ts';
import type { Step } from '../../augmentation/transform.ts';
import { OptionError } from '../../common/errors.ts';
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
  checkModules(streams, given);
  for (const { augmentation } of allConfigurations(streams)) await loadCustomSteps(augmentation);
  return { streams, next };
}

/**
 * A state says which code is to be run, and may be a stranger's: modules that only it names are run where that is allowed.
 * @throws OptionError
 */
function checkModules(streams: ResolvedStreams, given: LoaderOptions | ResumeOptions): void {
  if (!('state' in given) || given.state === undefined || given.allowModules === true) return;
  const { augmentation, configs = [], validation } = given;
  const asked = [augmentation, ...configs.map((entry) => entry.augmentation), typeof validation === 'object' && validation.augmentation];
  const named = asked.flatMap((steps) => (Array.isArray(steps) ? customModules(steps as readonly Step[]) : []));
  const unasked = allConfigurations(streams)
    .flatMap((configuration) => customModules(configuration.augmentation))
    .find((module) => !named.includes(module));
  if (unasked === undefined) return;
  throw new OptionError(
    'allowModules',
    `the state runs code: its augmentation names the module ${unasked}`,
    'Look at that file, and set `allowModules` if you trust it',
  );
}

/** The previous stage of a cascade, where options name one. */
async function previousOf({ store, previousStage }: LoaderOptions): Promise<PreviousStage | null> {
  checkStore(store);
  return previousStage === undefined ? null : openPreviousStage(previousStage, store);
}
