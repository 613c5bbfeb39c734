import { OptionError } from '../../../common/errors.ts';
import type { Draws } from '../../../common/random.ts';
import type { PatchContext, Step } from '../../transform.ts';

/** What the steps on a previous stage's labels have in common: they change the last channels, which `oneHot` has written. */
export interface CascadeOptions {
  /** How many channels at the end are a previous stage's labels. */
  readonly channels: number;
  /** How often a label is changed. Default 0.5. */
  readonly channelProbability?: number;
}

export function checkCascadeChannels(channels: unknown, path: string): void {
  if (Number.isInteger(channels) && (channels as number) > 0) return;
  throw new OptionError(
    `${path}.channels`,
    `${JSON.stringify(channels) ?? 'nothing'} is no number of channels`,
    'Give the number of labels of the previous stage',
  );
}

/**
 * Which of the cascade's channels are changed, in the random order in which they are, counted from the first of them. The order matters
 * where the change of one channel shows in others.
 */
export function drawCascadeChannels(draws: Draws, context: PatchContext, step: Step & CascadeOptions): number[] {
  const { channels, channelProbability = 0.5 } = step;
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
