import type { PatchRecipe } from '../augmentation/patch-maker.ts';
import { ranksHere } from '../sampling/ranks.ts';
import { allocate, allocateOnto } from '../shared-memory/allocate.ts';
import { type Layout, type MemoryReport, reportMemory } from '../shared-memory/layout.ts';
import { whyNoMapping } from '../shared-memory/mapping.ts';
import { joinCases } from '../shared-memory/shared-cases.ts';
import { planMemory } from './memory-plan.ts';
import type { ResolvedStreams } from './options/streams.ts';

/** The memory of a loader, and the files that parts of it lie in. */
export interface Allocation {
  memory: WebAssembly.Memory;
  layout: Layout;
  report: MemoryReport;
  /** Why batches do not lie in the file that was given for them; null: they do. */
  notMapped: string | null;
  /** Descriptor of the file of the resident cases, see `joinCases`; null where this loader has its own. */
  cases: number | null;
}

/**
 * Sizes and allocates. Ranks of one machine keep their resident cases together where the system allows it; elsewhere each keeps its part.
 * @param ringFile a memfd for the batches, see `mapRings`
 * @throws MemoryError
 */
export function allocateFor(streams: ResolvedStreams, recipes: readonly PatchRecipe[], ringFile: number | null): Allocation {
  const { store, maxMemoryBytes, worldSize } = streams.common;
  const allocated = (sharesCases: boolean): Omit<Allocation, 'cases'> => {
    const layout = planMemory(streams, recipes, sharesCases);
    const report = reportMemory(layout, store.locationsBytes, maxMemoryBytes);
    const onto =
      ringFile === null ? { memory: allocate(layout, report), notMapped: 'no file was given' } : allocateOnto(ringFile, layout, report);
    return { ...onto, layout, report };
  };
  if (ranksHere(worldSize) > 1 && whyNoMapping() === null) {
    const shared = allocated(true);
    if (shared.layout.residentBytes.every((bytes) => bytes === 0)) return { ...shared, cases: null };
    const cases = joinCases(shared.memory, shared.layout, store.hash);
    if (cases !== null) return { ...shared, cases };
  }
  return { ...allocated(false), cases: null };
}
