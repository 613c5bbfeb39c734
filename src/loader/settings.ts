import type { Machine } from '../common/machine.ts';
import { residentBytes } from '../reading/resident-cases.ts';
import { ranksHere } from '../sampling/ranks.ts';
import { TASKS_PER_WORKER } from '../scheduling/worker-pool.ts';
import type { Layout, MemoryReport } from '../shared-memory/layout.ts';
import type { Measurements } from './diagnosis.ts';
import { arraysOf, DEFAULT_CACHE_BYTES, drawnCases, wantedRing } from './memory-plan.ts';
import type { ResolvedStreams } from './options/streams.ts';

/** Of measurements, what a loader's plan says: what it has, and what it would have if nothing limited it. */
export type Settings = Pick<Measurements, 'resident' | 'memory' | 'format'> & {
  ring: Pick<Measurements['ring'], 'wanted' | 'given' | 'bytesPerBatch'>;
};

/** @param isLoaded whether a case that has a place in memory has been read */
export function settingsOf(
  streams: ResolvedStreams,
  layout: Layout,
  memory: MemoryReport,
  { memoryBytes, totalBytes }: Machine,
  isLoaded: (caseNumber: number) => boolean,
): Settings {
  return {
    ring: { wanted: wantedRing(layout, layout.scratches), given: streams.training.ring !== null, bytesPerBatch: layout.entryBytes },
    resident: residentOf(streams, layout, isLoaded),
    memory: {
      takenBytes: memory.totalBytes,
      limitBytes: memory.limitBytes,
      limitedBy: streams.common.memoryGiven ? 'option' : memoryBytes < totalBytes ? 'container' : 'machine',
      bytesPerWorker: TASKS_PER_WORKER * layout.scratchBytes,
    },
    format: arraysOf(streams.common).format,
  };
}

function residentOf(streams: ResolvedStreams, layout: Layout, isLoaded: (caseNumber: number) => boolean): Measurements['resident'] {
  const { store, cacheBytes, maxMemoryBytes, worldSize } = streams.common;
  const { channels, labelBytes } = arraysOf(streams.common);
  const drawn = [...drawnCases(streams)];
  const has = (caseNumber: number): boolean => layout.residentBytes[caseNumber] > 0;
  const places = drawn.filter(has);
  const bytesOf = (caseNumber: number): number => residentBytes(channels, labelBytes, store.cases[caseNumber].shape);
  const missingBytes = drawn.filter((caseNumber) => !has(caseNumber)).reduce((sum, caseNumber) => sum + bytesOf(caseNumber), 0);
  const taken = layout.residentBytes.reduce((sum, bytes) => sum + bytes, 0);
  // What `planMemory` had for them, by default at most half of what was left.
  const room = (maxMemoryBytes - store.locationsBytes - (layout.totalBytes - taken)) / 2;
  const short = room < DEFAULT_CACHE_BYTES / (layout.sharesCases ? 1 : ranksHere(worldSize)) ? 'memory' : 'default';
  return {
    places: places.length,
    placesBytes: taken,
    loaded: places.filter(isLoaded).length,
    cases: drawn.length,
    missingBytes,
    limitedBy: missingBytes === 0 ? null : cacheBytes !== null ? 'option' : short,
  };
}
