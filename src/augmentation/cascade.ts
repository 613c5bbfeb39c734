import { OptionError } from '../common/errors.ts';
import type { Step } from './transform.ts';
import type { OneHotStep } from './transforms/labels/one-hot.ts';

/**
 * Sees to it that a previous stage's labels reach the network: patches as they are stored get them too, a list of steps must say where.
 * @param labels of the previous stage, ascending; null where there is none
 * @throws OptionError where steps and labels do not go together
 */
export function withPrevious(steps: Step[], labels: readonly number[] | null): Step[] {
  const found = steps.filter((step): step is OneHotStep => step.transform === 'oneHot');
  if (labels === null) {
    if (found.length === 0) return steps;
    throw new OptionError('augmentation', 'it has a oneHot step, but there is no previous stage', 'Give `previousStage` too');
  }
  const step: OneHotStep = { transform: 'oneHot', labels };
  if (steps.length === 0) return [step];
  if (found.length === 1 && found[0].labels.join() === labels.join()) return steps;
  throw new OptionError(
    'augmentation',
    found.length === 0
      ? 'it has no oneHot step: the previous stage would not reach the network'
      : "its oneHot steps are not one with the data set's labels",
    `Have ${JSON.stringify(step)} in it once`,
  );
}
