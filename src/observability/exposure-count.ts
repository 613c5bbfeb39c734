import type { Exposure } from '../sampling/exposure.ts';
import type { LoaderMetrics } from './metrics.ts';

/** Counts how many samples hold each class that has a target exposure. */
export class ExposureCount {
  readonly #targets: [string, number][];
  readonly #counts: number[];
  #patches = 0;

  constructor(exposure: Exposure | null) {
    this.#targets = Object.entries(exposure ?? {});
    this.#counts = this.#targets.map(() => 0);
  }

  /** @param seen one a sample: a bit for each class that it holds */
  add(seen: readonly number[]): void {
    this.#patches += seen.length;
    for (const bits of seen) for (let i = 0; i < this.#counts.length; i++) this.#counts[i] += (bits >>> i) & 1;
  }

  report(): LoaderMetrics['exposure'] {
    const entries = this.#targets.map(([name, target], i) => [
      name,
      { target, realised: this.#patches === 0 ? 0 : this.#counts[i] / this.#patches },
    ]);
    return Object.fromEntries(entries);
  }
}
