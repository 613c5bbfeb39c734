import type { Exposure } from '../sampling/table.ts';
import type { StreamMetrics } from './metrics.ts';

/** Counts how many samples hold each class that has a target exposure in their configuration. */
export class ExposureCount {
  /** Of each configuration: its targets, the samples so far that hold each class, and all of them. */
  readonly #first: number;
  readonly #configurations: { targets: [string, number][]; counts: number[]; patches: number }[];

  /** @param exposures of the stream's configurations, which stand from `first` on among those of the loader */
  constructor(exposures: readonly (Exposure | null)[], first = 0) {
    this.#first = first;
    this.#configurations = exposures.map((exposure) => {
      const targets = Object.entries(exposure ?? {});
      return { targets, counts: targets.map(() => 0), patches: 0 };
    });
  }

  /** @param seen one a sample: a bit for each class of the configuration that it holds */
  add(configuration: number, seen: readonly number[]): void {
    const entry = this.#configurations[configuration - this.#first];
    entry.patches += seen.length;
    for (const bits of seen) for (let i = 0; i < entry.counts.length; i++) entry.counts[i] += (bits >>> i) & 1;
  }

  /** Of configurations that differ, each class has the mean target of the samples that there were. */
  report(): StreamMetrics['exposure'] {
    const found = this.#configurations.flatMap(({ targets, counts, patches }) =>
      targets.map(([name, target], i) => ({ name, target, held: counts[i], patches })),
    );
    const byName = Object.groupBy(found, ({ name }) => name) as Record<string, typeof found>;
    return Object.fromEntries(
      Object.entries(byName).map(([name, entries]) => {
        const sum = (value: (entry: (typeof found)[number]) => number): number => entries.reduce((total, entry) => total + value(entry), 0);
        const patches = sum((entry) => entry.patches);
        if (entries.length === 1 || patches === 0)
          return [name, { target: entries[0].target, realised: patches === 0 ? 0 : entries[0].held / patches }];
        return [name, { target: sum((entry) => entry.target * entry.patches) / patches, realised: sum((entry) => entry.held) / patches }];
      }),
    );
  }
}
