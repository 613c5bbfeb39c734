import { GpuError } from '../common/errors.ts';
import type { BatchStream } from '../loader/batch.ts';
import { autotune } from './autotune.ts';
import { type BestNetwork, type Checkpoint, type Numbers, networkFile, readNumbers, writeCheckpoint } from './checkpoint.ts';
import { DAWN_SWITCHES, type Gpu } from './gpu/device.ts';
import type { Precision } from './gpu/precision.ts';
import { tilingFor } from './gpu/tile.ts';
import { movingDice } from './moving-dice.ts';
import { learningRate } from './optimiser.ts';
import type { BatchSource, EpochReport, TrainingOptions, TuneReport } from './training-options.ts';
import { HISTORY, type StepResult, TrainingStep } from './training-step.ts';

/** Above this part of the time, whoever reads the report should know that the loader is too slow. */
const WAITED = 0.05;

/** A network in training on one GPU. The story of an epoch is in `epoch`, top to bottom. */
export class Training {
  readonly options: TrainingOptions & { precision: Precision };
  readonly step: TrainingStep;
  /** Null where nothing was tuned. */
  readonly tuning: TuneReport | null;
  readonly #gpu: Gpu;
  readonly #source: BatchSource;
  readonly #history: EpochReport[];
  /** Of those that were saved. */
  #best: BestNetwork | null;

  /**
   * @param from a checkpoint to continue from, and the folder it is in
   * @param tuned whether to measure how products are made fastest on this GPU; default: unless it is a CPU in truth
   * @throws PlansError, GpuError, CheckpointError
   */
  static async create(
    gpu: Gpu,
    options: TrainingOptions,
    source: BatchSource,
    from: { dir: string; checkpoint: Checkpoint } | null = null,
    tuned: boolean = !gpu.software,
  ): Promise<Training> {
    const { scales, configuration: _, ...rest } = options;
    const precision = precisionOn(gpu, options.precision);
    const made = { ...rest, precision, heads: Math.max(1, scales - 1), tiling: tilingFor(gpu, precision) };
    const tuning = tuned ? await autotune(gpu, made) : null;
    const step = await TrainingStep.create(gpu, { ...made, ...(tuning && { tuned: tuning.tilings }) });
    const { parameters } = step.unet;
    const numbers: Numbers | null = from && (await readNumbers(from.dir, from.checkpoint, parameters.list, parameters.values.length));
    step.load(numbers?.values ?? parameters.initial(options.seed), numbers?.momentum ?? null, from?.checkpoint.lossScale ?? undefined);
    return new Training(
      gpu,
      { ...options, precision },
      step,
      tuning?.report ?? null,
      source,
      from?.checkpoint ?? { history: [], best: null },
    );
  }

  private constructor(
    gpu: Gpu,
    options: Training['options'],
    step: TrainingStep,
    tuning: TuneReport | null,
    source: BatchSource,
    { history, best }: Pick<Checkpoint, 'history' | 'best'>,
  ) {
    this.#gpu = gpu;
    this.options = options;
    this.step = step;
    this.tuning = tuning;
    this.#source = source;
    this.#history = [...history];
    this.#best = best;
  }

  /** Epochs that are done. */
  get epochs(): number {
    return this.#history.length;
  }

  /**
   * One epoch. Of each batch: it is copied to the GPU, its slot is given back at once, and a step on it is submitted. While the GPU
   * works on that step, the next batch is fetched and copied; never more than two steps are under way.
   * @throws whatever the streams throw; GpuError
   */
  async epoch(onStep: (step: number) => void = () => {}): Promise<EpochReport> {
    const { epochs, iterations, batch } = this.options;
    const epoch = this.epochs;
    const rate = learningRate(epoch, epochs, this.options.learningRate);
    const train = await this.#run(this.#source.training, iterations, () => this.step.train(rate), onStep);
    let validationLoss: number | null = null;
    let pseudoDice: EpochReport['pseudoDice'] = null;
    if (this.options.validationIterations > 0) {
      const { results } = await this.#run(this.#source.validation, this.options.validationIterations, () => this.step.validate());
      validationLoss = mean(results.map(({ loss }) => loss));
      const counts = await this.step.counts();
      // Background is an output of its own, and no region.
      pseudoDice = counts
        .slice(this.options.regions === undefined ? 1 : 0)
        .map(({ right, wrong, missed }) => (right + wrong + missed === 0 ? null : (2 * right) / (2 * right + wrong + missed)));
    }
    const losses = train.results.map(({ loss }) => loss);
    const waitFraction = train.idleMs / train.elapsedMs;
    const before = this.#history.map((report) => report.movingDice ?? null);
    const moving = movingDice(before.at(-1) ?? null, pseudoDice);
    const report: EpochReport = {
      epoch,
      learningRate: rate,
      loss: mean(losses),
      validationLoss,
      pseudoDice,
      movingDice: moving,
      best: pseudoDice !== null && moving !== null && before.every((value) => value === null || value < moving),
      losses,
      gradientNorms: train.results.map(({ gradientNorm }) => gradientNorm),
      patchesPerSecond: (1000 * iterations * batch) / train.elapsedMs,
      stepMs: train.elapsedMs / iterations,
      waitFraction,
      boundBy: waitFraction > WAITED ? 'loader' : 'GPU',
    };
    this.#history.push(report);
    return report;
  }

  async #run(stream: Pick<BatchStream, 'next'>, steps: number, submit: () => void, onStep: (step: number) => void = () => {}) {
    const results: StepResult[] = [];
    const started = performance.now();
    let idleMs = 0;
    /** The step before, and when it ended, if it has. */
    let before: Promise<void> = Promise.resolve();
    let endedAt: number | null = started;
    /** What the latest HISTORY steps came to: not waited for until others are submitted, so that the GPU has something to do. */
    let reading: Promise<StepResult[]> = Promise.resolve([]);
    for (let i = 0; i < steps; i++) {
      {
        using batch = await stream.next();
        // Without a copy of its own: Dawn has one when this returns.
        this.step.upload(batch.data, batch.targets);
      }
      submit();
      if (endedAt !== null) idleMs += performance.now() - endedAt;
      await before;
      endedAt = null;
      before = this.#gpu.done().then(() => {
        endedAt = performance.now();
      });
      before.catch(() => {});
      onStep(i + 1);
      if ((i + 1) % HISTORY === 0 || i + 1 === steps) {
        results.push(...(await reading));
        reading = this.step.results();
        reading.catch(() => {});
      }
    }
    await before;
    results.push(...(await reading));
    return { results, idleMs, elapsedMs: performance.now() - started };
  }

  /** Writes network, optimiser and where the streams stand. The best network among those that were saved stays beside the last. */
  async save(dir: string): Promise<void> {
    const { lossScale, ...numbers } = await this.step.save();
    const { epochs: epoch, options } = this;
    const moving = this.#history.at(-1)?.movingDice ?? null;
    const best =
      moving !== null && moving > (this.#best?.movingDice ?? -1) ? { epoch, movingDice: moving, network: networkFile(epoch) } : this.#best;
    const batches = await this.#source.state();
    await writeCheckpoint(
      dir,
      { epoch, options, lossScale, batches, history: this.#history, best },
      this.step.unet.parameters.list,
      numbers,
    );
    this.#best = best;
  }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

/** The precision that is asked for, or what suits the adapter. @throws GpuError if it cannot */
function precisionOn({ name, hasHalf, units }: Gpu, asked: Precision | null): Precision {
  if (asked === 'mixed' && !hasHalf)
    throw new GpuError(
      name,
      `its driver offers no float16 (shader-f16), although Dawn was started with ${DAWN_SWITCHES.join(' and ')}`,
      'Train with `precision` float32, or install a newer driver; `voxfeed train --gpu-info` shows what there is',
    );
  return asked ?? (units ? 'mixed' : 'float32');
}
