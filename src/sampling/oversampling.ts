import { Draws, PURPOSE } from '../common/random.ts';
import { roundHalfEven } from '../common/round.ts';

/** A fraction that changes over a training: [batch, fraction] pairs, batches ascending. Linear between two, constant around them. */
export type Schedule = readonly (readonly [batch: number, fraction: number])[];

/** Which slots of a batch are forced to hold foreground (docs/nnunet.md#forced-foreground). */
export interface Oversampling {
  /** From 0 to 1; nnU-Net's default is 0.33. */
  fraction: number | Schedule;
  /**
   * false: the last slots of every batch, always the same number. true: each slot by a draw of its own. 'realised': the same, with the
   * part of a batch that the rule of the last slots forces (one half of two) as its chance.
   */
  probabilistic: boolean | 'realised';
}

/** nnU-Net's "last XX percent" rule: slot `position` of a batch is forced. With batch size 1 none ever is. */
export function isLastPart(batchSize: number, fraction: number, position: number): boolean {
  return position >= roundHalfEven(batchSize * (1 - fraction));
}

/** The part of a batch that the rule of the last slots forces: for two samples and 0.33 one half. */
export function realisedFraction(batchSize: number, fraction: number): number {
  return (batchSize - roundHalfEven(batchSize * (1 - fraction))) / batchSize;
}

/** The fraction of a batch of the stream. */
export function fractionAt(fraction: number | Schedule, batch: number): number {
  if (typeof fraction === 'number') return fraction;
  const next = fraction.findIndex(([from]) => from > batch);
  if (next === 0) return fraction[0][1];
  const [from, start] = fraction[next < 0 ? fraction.length - 1 : next - 1];
  if (next < 0) return start;
  const [to, end] = fraction[next];
  return start + ((end - start) * (batch - from)) / (to - from);
}

/** Decides for one sample of the stream of all ranks together; `batchSize` is that of all of them. */
export function isForced({ fraction, probabilistic }: Oversampling, seed: number, sample: number, batchSize: number): boolean {
  const now = fractionAt(fraction, Math.floor(sample / batchSize));
  if (!probabilistic) return isLastPart(batchSize, now, sample % batchSize);
  const chance = probabilistic === 'realised' ? realisedFraction(batchSize, now) : now;
  return new Draws(seed, sample, PURPOSE.oversampling).uniform() < chance;
}
