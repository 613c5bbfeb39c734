import { OptionError } from '../../../common/errors.ts';
import type { Given, OptionTable } from '../../../common/options.ts';
import type { Draws } from '../../../common/random.ts';
import { that } from '../../../common/schemas.ts';
import { probability } from '../../step-options.ts';
import type { CompleteStep, PatchContext } from '../../transform.ts';

/** What the steps on a previous stage's labels have in common: they change the last channels, which `oneHot` has written. */
export const CASCADE_OPTIONS = {
  /** How many channels at the end are a previous stage's labels. */
  channels: {
    schema: that<number>(
      'a number of channels',
      (value) => Number.isInteger(value) && (value as number) > 0,
      'Give the number of labels of the previous stage',
    ),
    required: true,
    help: "how many channels at the end are a previous stage's labels",
  },
  /** How often a label is changed. Default 0.5. */
  channelProbability: probability(0.5, 'how often a label is changed'),
} as const satisfies OptionTable;

/** First where steps extend it: comments of what is spread into their tables get lost in declarations. */
export interface CascadeOptions extends Readonly<Given<typeof CASCADE_OPTIONS>> {}

/**
 * Which of the cascade's channels are changed, in the random order in which they are, counted from the first of them. The order matters
 * where the change of one channel shows in others.
 */
export function drawCascadeChannels(draws: Draws, context: PatchContext, step: CompleteStep<typeof CASCADE_OPTIONS>): number[] {
  const { channels, channelProbability } = step;
  if (channels >= context.channels)
    throw new OptionError(
      `${step.transform}.channels`,
      `a patch of ${context.channels} channels has no ${channels} besides its image`,
      'Give the number of labels of the previous stage',
    );
  const left = Array.from({ length: channels }, (_, k) => k);
  const order = Array.from({ length: channels }, () => left.splice(draws.below(left.length), 1)[0]);
  return order.filter(() => draws.uniform() < channelProbability);
}
