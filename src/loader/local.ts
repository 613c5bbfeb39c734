import type { LocalCases } from '../caching/local-cases.ts';
import { checkValue } from '../common/options.ts';
import { checkStore, type LoaderOptions } from './options/options.ts';
import type { ResumeOptions } from './options/state.ts';
import { allConfigurations, type ResolvedStream, type ResolvedStreams } from './options/streams.ts';
import { LOADER_OPTIONS } from './options/table.ts';

/** What `localCache` asks for; null where stores are read where they lie. @throws OptionError, FileError */
export async function openLocal(given: LoaderOptions | ResumeOptions): Promise<LocalCases | null> {
  checkStore((given as LoaderOptions | undefined)?.store);
  if (given.localCache === undefined) return null;
  const asked = checkValue(LOADER_OPTIONS.localCache.schema, given.localCache, 'localCache');
  // Whoever reads stores where they lie loads none of it.
  const { LocalCases } = await import('../caching/local-cases.ts');
  return LocalCases.open(given.store, asked);
}

/** Exposures are measured on the class locations of all cases, before the first batch. */
export async function bringLocations(local: LocalCases, streams: ResolvedStreams): Promise<void> {
  const measured = allConfigurations(streams).filter(({ exposure }) => exposure !== null);
  // For as long as the loader: what is planned with them is small.
  await local.holdSidecars(casesOf(measured));
}

/** The cases that a stream draws from. */
export function casesOf(configurations: ResolvedStream['configurations']): Set<number> {
  return new Set(configurations.flatMap(({ cases, store }) => cases ?? [...store.cases.keys()]));
}
