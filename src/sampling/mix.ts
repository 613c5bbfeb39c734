import { OptionError } from '../common/errors.ts';

/** How often a configuration comes: so many batches of every round, or that from certain batches of the stream on. */
export type Weight = number | readonly (readonly [batch: number, weight: number])[];

/** Batches of one round: the sum of all weights. */
const LONGEST_ROUND = 10_000;

/** A stretch of the stream in which the weights stay the same. */
interface Stretch {
  /** Its first batch. */
  from: number;
  weights: number[];
  /** The configuration of each batch of a round. */
  round: number[];
  /** How many batches of its configuration come before each batch of a round. */
  rank: number[];
  /** How many batches of each configuration come before the stretch. */
  before: number[];
}

/**
 * Which configuration each batch of a stream has, and which batch of that configuration it is. Exact: as many of each as its
 * weight says in any round of consecutive batches (as many as the weights' sum), spread as evenly as can be. Batch numbers are
 * looked up, not counted, so that a stream can begin anywhere.
 */
export class Mix {
  readonly #stretches: Stretch[] = [];

  /** @throws OptionError whose `where` is `configs[i].weight` */
  constructor(weights: readonly Weight[]) {
    const points = weights.map((weight, i) => pointsOf(weight, `configs[${i}].weight`));
    const starts = [...new Set(points.flatMap((list) => list.map(([batch]) => batch)))].sort((a, b) => a - b);
    for (const from of starts) {
      const now = points.map((list) => list.findLast(([batch]) => batch <= from)?.[1] ?? 0);
      this.#stretches.push(stretch(from, now, this.#countsBefore(from, weights.length)));
    }
  }

  #countsBefore(batch: number, configurations: number): number[] {
    const counts: number[] = Array(configurations).fill(0);
    const last = this.#stretches.at(-1);
    if (last === undefined) return counts;
    const rounds = Math.floor((batch - last.from) / last.round.length);
    const rest = last.round.slice(0, (batch - last.from) % last.round.length);
    return counts.map((_, i) => last.before[i] + rounds * last.weights[i] + rest.filter((configuration) => configuration === i).length);
  }

  /** `configuration` is a position in the list of weights; `index` counts the batches of that configuration from 0. */
  at(batch: number): { configuration: number; index: number } {
    const { from, weights, round, rank, before } = this.#stretches.findLast((found) => found.from <= batch) as Stretch;
    const place = (batch - from) % round.length;
    const configuration = round[place];
    return {
      configuration,
      index: before[configuration] + Math.floor((batch - from) / round.length) * weights[configuration] + rank[place],
    };
  }
}

/** Weighted round robin: every turn, each configuration gains its weight, and the one that has most pays a whole round. */
function stretch(from: number, weights: number[], before: number[]): Stretch {
  const length = weights.reduce((sum, weight) => sum + weight, 0);
  if (length === 0 || length > LONGEST_ROUND)
    throw new OptionError(
      'configs',
      `the weights ${weights.join(', ')} (from batch ${from} on) add up to ${length}`,
      `Give whole numbers that add up to 1 to ${LONGEST_ROUND}, such as 3 and 1`,
    );
  const gained = weights.map(() => 0);
  const met = weights.map(() => 0);
  const round: number[] = [];
  const rank: number[] = [];
  while (round.length < length) {
    for (const [i, weight] of weights.entries()) gained[i] += weight;
    const most = gained.indexOf(Math.max(...gained));
    gained[most] -= length;
    round.push(most);
    rank.push(met[most]++);
  }
  return { from, weights, round, rank, before };
}

function pointsOf(weight: Weight, path: string): (readonly [number, number])[] {
  const points = typeof weight === 'number' ? [[0, weight] as const] : weight;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  const usable =
    Array.isArray(points) && points.length > 0 && points.every((point) => Array.isArray(point) && point.length === 2 && point.every(whole));
  if (!usable || points[0][0] !== 0 || points.some(([batch], i) => i > 0 && batch <= points[i - 1][0]))
    throw new OptionError(
      path,
      `${JSON.stringify(weight) ?? 'nothing'} is no weight`,
      'Give a whole number of batches, such as 3, or what it is from which batch on, as [[0, 3], [1000, 1]]: batch 0 first, then ascending',
    );
  return [...points];
}
