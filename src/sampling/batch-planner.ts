import type { Mix } from './mix.ts';
import { casesOfBatch, planBatch, type Samplable, type Sampling, type SlotPlan } from './slot-plan.ts';

/** What is sampled for one configuration of a stream. */
export interface SampledConfiguration {
  /** A position in `Layout.configurations`. */
  number: number;
  sampling: Sampling;
}

/** Plans the batches of a stream: pure, any batch at any time. */
export class BatchPlanner {
  readonly #data: Samplable;
  readonly #mix: Mix;
  readonly #configurations: readonly SampledConfiguration[];

  constructor(data: Samplable, mix: Mix, configurations: readonly SampledConfiguration[]) {
    this.#data = data;
    this.#mix = mix;
    this.#configurations = configurations;
  }

  /** Samples are counted within their configuration, so that each has a stream of its own, whatever it is mixed with. */
  plan(batch: number): { configuration: number; plans: SlotPlan[] } {
    const { configuration, index } = this.#mix.at(batch);
    const { number, sampling } = this.#configurations[configuration];
    return { configuration: number, plans: planBatch(this.#data, sampling, index) };
  }

  /** The case of each sample of a batch, of which nothing is read. */
  cases(batch: number): number[] {
    const { configuration, index } = this.#mix.at(batch);
    return casesOfBatch(this.#data, this.#configurations[configuration].sampling, index);
  }
}
