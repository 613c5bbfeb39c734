import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { expose } from 'comlink/dist/esm/comlink.mjs';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { pack } from '../src/common/errors.ts';
import { connect } from '../src/loader/share.ts';
import { Gpu } from '../src/training/gpu/device.ts';
import type { Answer, TrainerService, TrainerWorkerData } from '../src/training/trainer.ts';
import { Training } from '../src/training/training.ts';

// The GPU binding spins its event loop while it waits: here it keeps nobody from scheduling.

const { options, batches, from, autotune, steps } = workerData as TrainerWorkerData;

const ready = open();
ready.catch(() => {});

async function open(): Promise<{ gpu: Gpu; run: Training }> {
  const gpu = await Gpu.open(options.precision ?? 'mixed');
  return { gpu, run: await Training.create(gpu, options, await connect(batches), from, autotune) };
}

const service: TrainerService = {
  ready: () =>
    answer(async () => {
      const { gpu, run } = await ready;
      const { options, step, tuning, epochs } = run;
      return { gpu: gpu.name, software: gpu.software, precision: options.precision, bytes: step.bytes, tuning, epochs };
    }),
  epoch: () =>
    answer(async () => {
      const { run } = await ready;
      return run.epoch((step) => Atomics.store(steps, 0, step));
    }),
  save: (dir) => answer(async () => (await ready).run.save(dir)),
  close: () => answer(async () => (await ready).gpu.close()),
};

/** Errors travel as data: thrown ones would lose their fields on the way. */
async function answer<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { result: await work() };
  } catch (error) {
    return { error: pack(error) };
  }
}

expose(service, nodeEndpoint(parentPort as unknown as MessagePort));
