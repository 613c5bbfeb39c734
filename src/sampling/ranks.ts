import { OptionError } from '../common/errors.ts';
import type { Given } from '../common/options.ts';
import type { SAMPLING_OPTIONS } from './table.ts';

/** The part of every batch that one process of a data-parallel training makes. */
export interface RankSlots {
  rank: number;
  worldSize: number;
  /** Of a batch of all ranks together: this rank's first sample, and how many it makes. */
  first: number;
  count: number;
}

/** One process makes all of it. */
export function wholeBatch(batchSize: number): RankSlots {
  return { rank: 0, worldSize: 1, first: 0, count: batchSize };
}

/**
 * nnU-Net's split of a batch (docs/nnunet.md#ranks): as equal as possible, the lower ranks have one more. Its oversampling
 * fraction of a rank needs no code: none before the forced part of the whole batch, all behind it and what the whole batch's rule forces
 * in between, the same rule with that fraction forces the very samples that one process would (`test/sampling/ranks.test.ts`).
 * @throws OptionError if there is no such rank, or a rank would have no sample
 */
export function slotsOf(batchSize: number, worldSize: number, rank: number): RankSlots {
  if (!Number.isInteger(worldSize) || worldSize < 1)
    throw new OptionError('worldSize', `${JSON.stringify(worldSize)} is not a number of processes`, 'Give a whole number above 0');
  if (!Number.isInteger(rank) || rank < 0 || rank >= worldSize)
    throw new OptionError(
      'rank',
      `${JSON.stringify(rank)} is no rank among ${worldSize} processes`,
      `Give each process its own, from 0 to ${worldSize - 1}`,
    );
  if (batchSize < worldSize)
    throw new OptionError(
      'worldSize',
      `a batch of ${batchSize} cannot be split among ${worldSize} processes`,
      '`batchSize` counts the samples of all ranks together: make it larger, or use fewer processes',
    );
  const least = Math.floor(batchSize / worldSize);
  const larger = batchSize - least * worldSize;
  return { rank, worldSize, first: rank * least + Math.min(rank, larger), count: least + (rank < larger ? 1 : 0) };
}

/** Rank and world size as options give them. */
export type RankOptions = Pick<Given<typeof SAMPLING_OPTIONS>, 'rank' | 'worldSize' | 'ranks'>;

/** @throws OptionError */
export function resolveRanks(
  { rank, worldSize, ranks }: RankOptions,
  batchSize: number,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): RankSlots {
  if (ranks === undefined) {
    if (worldSize === undefined && rank !== undefined)
      throw new OptionError('rank', `${JSON.stringify(rank)} is one of how many is not said`, 'Give `worldSize` too');
    if (rank === undefined && worldSize !== undefined && worldSize !== 1)
      throw new OptionError(
        'rank',
        `which of the ${JSON.stringify(worldSize)} processes this is is not said`,
        "Give `rank`, or `ranks: 'environment'` under torchrun",
      );
    return slotsOf(batchSize, worldSize ?? 1, rank ?? 0);
  }
  if (rank !== undefined) throw new OptionError('ranks', "'environment' contradicts `rank`", 'Give one of the two');
  const read = (name: string): number => {
    const text = environment[name];
    if (text !== undefined && /^\d+$/.test(text)) return Number(text);
    throw new OptionError(
      'ranks',
      `the environment variable ${name} is ${text === undefined ? 'not set' : `"${text}"`}`,
      'Start the processes with torchrun, or give `rank` and `worldSize`',
    );
  };
  const found = slotsOf(batchSize, read('WORLD_SIZE'), read('RANK'));
  if (worldSize !== undefined && worldSize !== found.worldSize)
    throw new OptionError('worldSize', `${JSON.stringify(worldSize)} contradicts WORLD_SIZE, which is ${found.worldSize}`, 'Leave it out');
  return found;
}

/**
 * How many of the ranks run on this machine: what `torchrun` says in LOCAL_WORLD_SIZE, else all of them. What one machine has, its cores
 * and its memory, they have to share.
 */
export function ranksHere(worldSize: number): number {
  const local = Number(process.env.LOCAL_WORLD_SIZE);
  return Number.isInteger(local) && local >= 1 && local <= worldSize ? local : worldSize;
}
