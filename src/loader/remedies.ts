import { showBytes } from '../common/bytes.ts';
import { ADDRESSABLE } from '../shared-memory/layout.ts';
import type { Measurements, Remedy } from './diagnosis.ts';

export const percent = (part: number): string => `${Math.round(100 * part)} %`;
export const count = (number: number, one: string, more = `${one}s`): string => `${number} ${number === 1 ? one : more}`;

/** "gamma 40 %, blur 30 %", the largest first; what is less than `least` is left out. */
export function showShares(shares: Record<string, number>, least = 0.02): string {
  return Object.entries(shares)
    .filter(([, part]) => part >= least)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, part]) => `${name} ${percent(part)}`)
    .join(', ');
}

/** How many times as many batches the consumer would take if it never waited; Infinity for one that does nothing else. */
function demand({ seconds, batches, consumerMs }: Measurements): number {
  return (1000 * seconds) / (Math.max(1, batches) * consumerMs);
}

/** What a gain in speed brings: never more than the consumer takes. */
export function gain(measured: Measurements, factor: number): string {
  if (factor >= demand(measured)) return 'nobody waits any more';
  return `up to ${factor.toFixed(1)} times as many batches`;
}

/** Without a part of the workers' time. */
export const without = (part: number): number => 1 / Math.max(0.02, 1 - part);

export const waits = ({ waitFraction }: Measurements): string => `The consumer waits ${percent(waitFraction)} of its time`;

/** Some more than are needed on average: no two batches are alike. */
const SPARE = 1.1;

/** As many workers as the consumer can use and cores there are for; none where there are no more. */
export function moreWorkers(measured: Measurements): Remedy[] {
  const { workers, cores, memory } = measured;
  const room = Math.min(cores.granted, workers + Math.max(1, Math.round(cores.free)));
  const wanted = Math.min(room, Math.max(workers + 1, Math.ceil(workers * measured.busy * demand(measured) * SPARE)));
  if (cores.free < 0.5 || wanted <= workers) return [];
  return [
    {
      change: `\`workers\`: ${wanted}, in place of ${workers}`,
      brings: gain(measured, wanted / workers),
      costs: `${count(wanted - workers, 'core')}, and ${showBytes((wanted - workers) * memory.bytesPerWorker)}`,
    },
  ];
}

/** The same, or what else makes the same work go faster. */
export function moreWorkersOrCores(measured: Measurements): Remedy[] {
  const more = moreWorkers(measured);
  return more.length > 0 ? more : [MORE_CORES];
}

/** Room for the cases that do not stay in memory. @param part of the workers' time that goes into reading cases */
export function keepCases(measured: Measurements, part: number): Remedy[] {
  const { resident, memory } = measured;
  const { places, cases, placesBytes, missingBytes } = resident;
  const more = Math.min(missingBytes, ADDRESSABLE - memory.takenBytes);
  if (missingBytes === 0 || more <= 0) return [];
  const kept = more === missingBytes ? `all ${cases} cases stay in memory` : 'as many cases stay in memory as a loader can address';
  const total = memory.takenBytes + more;
  const limit = total <= memory.limitBytes ? '' : `, with \`maxMemoryBytes\` from ${showBytes(total)} on`;
  return [
    {
      change: `\`cacheBytes\`: ${showBytes(placesBytes + more)}${limit}, so that ${kept}`,
      brings: gain(measured, without(part * (1 - places / cases) * (more / missingBytes))),
      costs: showBytes(more),
    },
  ];
}

/** Of streams that have just begun. */
export function stillLoading({ resident: { places, loaded } }: Measurements): string {
  return loaded < places
    ? ` ${loaded} of the ${places} cases that stay in memory have been read so far: it gets faster when all have.`
    : '';
}

export const MOVE_STORE: Remedy = {
  change: 'copy the store to a local SSD',
  brings: 'as much as that is faster',
  costs: 'its size there',
};

export const MORE_CORES: Remedy = { change: 'more cores, with a worker each', brings: 'batches in proportion, nearly', costs: 'cores' };
