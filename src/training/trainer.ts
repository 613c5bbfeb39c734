import type { MessagePort, Worker } from 'node:worker_threads';
import { type Remote, wrap } from 'comlink/dist/esm/comlink.mjs';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { ClosedError, GpuError, type PackedError, unpack } from '../common/errors.ts';
import { keepReplacedStripper } from '../common/replaced-code.ts';
import { beforeEnd } from '../common/thread-end.ts';
import { noThreads, startThread } from '../common/worker-file.ts';
import type { PatchLoader } from '../loader/loader.ts';
import { share } from '../loader/share.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Precision } from './gpu/precision.ts';
import type { EpochReport, TrainingOptions, TuneReport } from './training-options.ts';

/** What the trainer's thread is started with. */
export interface TrainerWorkerData {
  options: TrainingOptions;
  /** To a shared loader. */
  batches: MessagePort;
  from: { dir: string; checkpoint: Checkpoint } | null;
  /** Undefined: unless the GPU is a CPU in truth. */
  autotune: boolean | undefined;
  /** Shared: the steps of this epoch that were submitted. */
  steps: Int32Array<SharedArrayBuffer>;
}

export type Answer<T> = { result: T } | { error: PackedError };

/** What is known once the kernels are compiled. */
export interface TrainerStart {
  gpu: string;
  software: boolean;
  precision: Precision;
  bytes: number;
  tuning: TuneReport | null;
  epochs: number;
}

/** What the main thread may call, through Comlink. */
export interface TrainerService {
  ready(): Promise<Answer<TrainerStart>>;
  epoch(): Promise<Answer<EpochReport>>;
  save(dir: string): Promise<Answer<void>>;
  close(): Promise<Answer<void>>;
}

/** A training in a thread of its own, fed by a loader of this one. */
export class Trainer implements AsyncDisposable {
  /** The GPU's name; `software` if it is the CPU in truth. */
  readonly gpu: string;
  readonly software: boolean;
  readonly precision: Precision;
  /** GPU memory of network, gradients and batches. */
  readonly bytes: number;
  /** What came of the autotune; null where there was none. */
  readonly tuning: TuneReport | null;
  readonly #worker: Worker;
  readonly #service: Remote<TrainerService>;
  readonly #steps: Int32Array<SharedArrayBuffer>;
  readonly #death: Promise<never>;
  #epochs: number;
  #closed: Promise<void> | null = null;

  /**
   * Opens the GPU, builds the network and compiles its kernels.
   * @param loader its batches must be as `options` say, with a validation stream if there are validation steps; it stays the caller's
   * to close
   * @param from a checkpoint to continue, and its folder
   * @param autotune whether to measure how products are made fastest on this GPU; default: unless it is a CPU in truth
   * @throws GpuError, PlansError, CheckpointError, OptionError
   */
  static async create(
    options: TrainingOptions,
    loader: PatchLoader,
    from: { dir: string; checkpoint: Checkpoint } | null = null,
    { autotune }: { autotune?: boolean | undefined } = {},
  ): Promise<Trainer> {
    const batches = share(loader);
    const steps = new Int32Array(new SharedArrayBuffer(4));
    const workerData: TrainerWorkerData = { options, batches, from, autotune, steps };
    keepReplacedStripper();
    const worker = startThread('trainer-worker', { workerData, transferList: [batches] });
    const death = new Promise<never>((_, reject) => {
      worker.on('error', (error: Error) => reject(noThreads(error)));
      worker.on('exit', (code) =>
        reject(new GpuError('trainer', `its thread ended with status ${code}`, 'Continue from the last checkpoint')),
      );
    });
    death.catch(() => {});
    const service = wrap<TrainerService>(nodeEndpoint(worker as unknown as MessagePort));
    try {
      const found = await answerOf(service.ready(), death);
      return new Trainer(worker, service, death, steps, found);
    } catch (error) {
      await beforeEnd(worker);
      await worker.terminate();
      throw error;
    }
  }

  private constructor(
    worker: Worker,
    service: Remote<TrainerService>,
    death: Promise<never>,
    steps: Int32Array<SharedArrayBuffer>,
    { gpu, software, precision, bytes, tuning, epochs }: TrainerStart,
  ) {
    this.#worker = worker;
    this.#service = service;
    this.#death = death;
    this.#steps = steps;
    this.gpu = gpu;
    this.software = software;
    this.precision = precision;
    this.bytes = bytes;
    this.tuning = tuning;
    this.#epochs = epochs;
  }

  /** Epochs that are done. */
  get epochs(): number {
    return this.#epochs;
  }

  /** Training steps of the epoch under way that were submitted so far. */
  get steps(): number {
    return Atomics.load(this.#steps, 0);
  }

  /** Trains for one epoch, then validates. @throws what the loader throws; GpuError */
  async epoch(): Promise<EpochReport> {
    this.#mustBeOpen();
    Atomics.store(this.#steps, 0, 0);
    const report = await answerOf(this.#service.epoch(), this.#death);
    this.#epochs++;
    return report;
  }

  /** Writes a checkpoint of network, optimiser and streams to a folder. @throws FileError */
  save(dir: string): Promise<void> {
    this.#mustBeOpen();
    return answerOf(this.#service.save(dir), this.#death);
  }

  /** Gives the GPU back and ends the thread. */
  close(): Promise<void> {
    this.#closed ??= answerOf(this.#service.close(), this.#death)
      .catch(() => {})
      .then(async () => {
        await beforeEnd(this.#worker);
        await this.#worker.terminate();
      });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #mustBeOpen(): void {
    if (this.#closed !== null) throw new ClosedError('trainer', 'it is closed', 'Create a new one from its last checkpoint');
  }
}

async function answerOf<T>(call: Promise<Answer<T>>, death: Promise<never>): Promise<T> {
  const answer = await Promise.race([call, death]);
  if ('error' in answer) throw unpack(answer.error);
  return answer.result;
}
