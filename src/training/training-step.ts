import { GpuError } from '../common/errors.ts';
import { voxels } from '../common/geometry.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import type { Gpu } from './gpu/device.ts';
import type { Kernel } from './gpu/kernel.ts';
import { bytesOf, type Memory, memory } from './gpu/memory.ts';
import { Program } from './gpu/program.ts';
import { countKernel, type Loss, lossKernels, type StepRecord } from './loss.ts';
import { INITIAL_SCALE, type LossScale, scaleGradient, scaleMemory } from './loss-scale.ts';
import { Unet, type UnetOptions } from './network/unet.ts';
import { optimise } from './optimiser.ts';

export interface StepOptions extends UnetOptions {
  batchDice: boolean;
  /** The label of voxels that do not count; null if there is none. Negative labels never count. */
  ignore: number | null;
  /** The labels of each region, where regions are learnt: see `Target`. */
  regions?: readonly (readonly number[])[];
}

export interface StepResult {
  loss: number;
  /** Before clipping; NaN for validation. Infinite or NaN where gradients overflowed: nothing was learnt from that step. */
  gradientNorm: number;
}

/** One kernel of a step. */
export interface KernelTime {
  name: string;
  milliseconds: number;
  /** Multiplications and additions of products, 0 for other kernels. */
  flops: number;
  /** The least that it has to move: every element that it reads or writes once. */
  bytes: number;
}

/** Steps between two looks at their losses: the only thing that is read back. */
export const HISTORY = 64;

/** Where a batch waits to be used. */
interface Upload {
  image: GPUBuffer;
  labels: GPUBuffer[];
}

/**
 * One training step as one submission: network forward, losses, network backward, optimiser. Two batches have room on the GPU:
 * the next is uploaded while the last is worked on.
 */
export class TrainingStep {
  readonly unet: Unet;
  readonly #gpu: Gpu;
  readonly #program: Program;
  readonly #labels: Memory[];
  readonly #record: StepRecord;
  readonly #counts: Memory;
  /** Null where gradients are float32. */
  readonly #scale: Memory | null;
  readonly #training: Kernel[];
  readonly #validation: Kernel[];
  readonly #uploads: Upload[];
  #upload = 0;
  /** Results in the history that were not read yet. */
  #pending = 0;

  /** @throws PlansError, GpuError */
  static async create(gpu: Gpu, options: StepOptions): Promise<TrainingStep> {
    const unet = new Unet(options);
    const record: StepRecord = {
      control: memory('control', 2, { persistent: true }),
      history: memory('history', 2 * HISTORY, { persistent: true }),
    };
    const labels = unet.logits.map(({ batch, shape }, scale) =>
      memory(`labels ${scale}`, Math.ceil((batch * voxels(shape)) / 2), { type: 'u32', persistent: true }),
    );
    const counts = memory('counts', 3 * options.classes, { type: 'u32', persistent: true });
    const losses: Loss[] = unet.logits.map((logits, scale) => ({
      name: `loss ${scale}`,
      logits,
      labels: labels[scale],
      ignore: options.ignore,
      ...(options.regions && { regions: options.regions }),
      batchDice: options.batchDice,
      weight: scaleWeights(unet.logits.length)[scale],
    }));
    const values = losses.map((loss, scale) => lossKernels(loss, record, scale === 0, unet.gradientOf(loss.logits)));
    // All but the gradient, which comes last.
    const valueOnly = values.flatMap((kernels) => kernels.slice(0, -1));
    const count = countKernel(losses[0], counts);
    const scale = options.precision === 'mixed' ? scaleMemory() : null;
    const scaled = scale ? unet.logits.map((logits) => scaleGradient(unet.gradientOf(logits), scale)) : [];
    const before = [...unet.forward, ...values.flat(), ...scaled];
    const after = [...unet.backward(), ...optimise(unet.parameters, unet.trained, record, scale)];
    const program = await Program.compile(gpu, [...before, count, ...after]);
    return new TrainingStep(gpu, program, unet, {
      labels,
      record,
      counts,
      scale,
      training: [...before, ...after],
      validation: [...unet.forward, ...valueOnly, count],
    });
  }

  private constructor(
    gpu: Gpu,
    program: Program,
    unet: Unet,
    parts: { labels: Memory[]; record: StepRecord; counts: Memory; scale: Memory | null; training: Kernel[]; validation: Kernel[] },
  ) {
    this.#gpu = gpu;
    this.#program = program;
    this.unet = unet;
    this.#labels = parts.labels;
    this.#record = parts.record;
    this.#counts = parts.counts;
    this.#scale = parts.scale;
    this.#training = parts.training;
    this.#validation = parts.validation;
    const buffer = (of: Memory): GPUBuffer =>
      gpu.device.createBuffer({
        label: `upload of ${of.name}`,
        size: bytesOf(of),
        usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      });
    this.#uploads = [0, 1].map(() => ({ image: buffer(unet.input.memory), labels: this.#labels.map(buffer) }));
  }

  /** GPU memory of all buffers, in bytes. */
  get bytes(): number {
    const uploads = bytesOf(this.unet.input.memory) + this.#labels.reduce((sum, each) => sum + bytesOf(each), 0);
    return this.#program.bytes + 2 * uploads;
  }

  /** Sets the network, the optimiser's momentum (null: at rest) and the scale of the gradients where there is one. */
  load(values: Float32Array, momentum: Float32Array | null, { scale, steps }: LossScale = INITIAL_SCALE): void {
    const { parameters } = this.unet;
    if (this.#scale) this.#program.write(this.#scale, Float32Array.of(scale, steps));
    this.#program.write(parameters.values, values);
    this.#program.write(parameters.momentum, momentum ?? new Float32Array(parameters.momentum.length));
  }

  /** What `load` takes; `lossScale` is null where there is none. */
  async save(): Promise<{ values: Float32Array<ArrayBuffer>; momentum: Float32Array<ArrayBuffer>; lossScale: LossScale | null }> {
    const { parameters } = this.unet;
    const memories = [parameters.values, parameters.momentum, ...(this.#scale ? [this.#scale] : [])];
    const [values, momentum, lossScale] = (await this.#program.read(...memories)).map((contents) => new Float32Array(contents));
    return { values, momentum, lossScale: lossScale ? { scale: lossScale[0], steps: lossScale[1] } : null };
  }

  /** Copies a batch to the GPU; when it returns, the arrays may be reused. @param targets one a scale, further ones are left out */
  upload(data: Float32Array<ArrayBufferLike>, targets: readonly TargetArray[]): void {
    const { queue } = this.#gpu.device;
    this.#upload = 1 - this.#upload;
    const { image, labels } = this.#uploads[this.#upload];
    if (data.byteLength !== image.size || targets.length < labels.length)
      throw new GpuError(
        'batch',
        `it has ${data.length} values and ${targets.length} targets, the network wants ${image.size / 4} and ${labels.length}`,
        'Make the loader with the options that the trainer was made with',
      );
    const { logits } = this.unet;
    if (logits.some(({ batch, shape }, scale) => !isLabels(targets[scale], batch * voxels(shape))))
      throw new GpuError(
        'batch',
        'its targets are not one label a voxel, from which the trainer makes the masks of regions itself',
        'Make the loader with `regions: false`',
      );
    queue.writeBuffer(image, 0, data as GPUAllowSharedBufferSource);
    for (const [scale, buffer] of labels.entries()) {
      let labels = targets[scale];
      // Copies are made of whole 32-bit words.
      if (labels.length % 2 !== 0) {
        labels = new Int16Array(labels.length + 1);
        labels.set(targets[scale]);
      }
      queue.writeBuffer(buffer, 0, labels as GPUAllowSharedBufferSource);
    }
  }

  /** Submits a training step on the batch that was uploaded last. */
  train(learningRate: number): void {
    this.#submit(this.#training, learningRate);
  }

  /** Submits the loss and counts of the batch that was uploaded last; nothing is learnt. */
  validate(): void {
    this.#submit(this.#validation, 0);
  }

  /**
   * A training step on the batch that was uploaded last, kernel by kernel: milliseconds, and the work that was done in them. The GPU
   * must have been opened with `timed`.
   */
  async profile(learningRate: number): Promise<KernelTime[]> {
    const encoder = this.#begin(learningRate);
    const times = this.#program.encodeTimed(encoder, this.#training);
    this.#gpu.device.queue.submit([encoder.finish()]);
    const milliseconds = await times();
    return this.#training.map(({ name, flops, bindings }, i) => ({
      name,
      milliseconds: milliseconds[i],
      flops,
      bytes: bindings.reduce((sum, { bytes }) => sum + bytes, 0),
    }));
  }

  #submit(kernels: readonly Kernel[], learningRate: number): void {
    const encoder = this.#begin(learningRate);
    this.#program.encode(encoder, kernels);
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  /** What comes before the kernels. */
  #begin(learningRate: number): GPUCommandEncoder {
    if (this.#pending === HISTORY) throw new GpuError('history', `${HISTORY} results were not read`, 'Call `results` more often');
    this.#program.write(this.#record.control, Float32Array.of(learningRate, this.#pending++));
    const encoder = this.#gpu.device.createCommandEncoder();
    const { image, labels } = this.#uploads[this.#upload];
    const copy = (from: GPUBuffer, to: Memory): void => encoder.copyBufferToBuffer(from, 0, this.#program.buffer(to), 0, from.size);
    copy(image, this.unet.input.memory);
    for (const [scale, buffer] of labels.entries()) copy(buffer, this.#labels[scale]);
    return encoder;
  }

  /** The results of all steps since the last call, in order, when they have ended. More steps may be submitted meanwhile. */
  async results(): Promise<StepResult[]> {
    const count = this.#pending;
    this.#pending = 0;
    // The copy is submitted here and now: later steps write over what it has read.
    const history = await this.#program.readFloats(this.#record.history);
    this.#gpu.check();
    return Array.from({ length: count }, (_, i) => ({ loss: history[2 * i], gradientNorm: history[2 * i + 1] }));
  }

  /** Voxels right, wrongly found and missed of each output, over all validation steps since the last call. */
  async counts(): Promise<{ right: number; wrong: number; missed: number }[]> {
    const [contents] = await this.#program.read(this.#counts);
    this.#program.write(this.#counts, new Uint32Array(this.#counts.length));
    const counts = new Uint32Array(contents);
    return Array.from({ length: counts.length / 3 }, (_, c) => ({
      right: counts[3 * c],
      wrong: counts[3 * c + 1],
      missed: counts[3 * c + 2],
    }));
  }

  destroy(): void {
    this.#program.destroy();
    for (const { image, labels } of this.#uploads) for (const buffer of [image, ...labels]) buffer.destroy();
  }
}

function isLabels(target: TargetArray, count: number): target is Int16Array {
  return target instanceof Int16Array && target.length === count;
}

/** nnU-Net halves the weight with each scale and gives the coarsest none; it has no head in use here, so `heads` leaves it out. */
export function scaleWeights(heads: number): number[] {
  const weights = Array.from({ length: heads }, (_, scale) => 2 ** -scale);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
