import { PlansError } from '../../common/errors.ts';
import { patchOf, show, type Triple, triple } from '../../common/geometry.ts';
import type { Network } from '../../plans/network.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type Maps, type Memory, maps, type ScalarType, slice } from '../gpu/memory.ts';
import type { Precision } from '../gpu/precision.ts';
import type { Tiling } from '../gpu/tile.ts';
import { type Convolution, coarseShape, gather, scatter, weightGradient } from './convolution.ts';
import { biasGradient, type Norm, normalise, normaliseGradient, statisticsOf } from './norm.ts';
import { type Parameter, Parameters } from './parameters.ts';

export interface UnetOptions {
  network: Network;
  /** Voxels, two axes or three. */
  patchSize: readonly number[];
  batch: number;
  /** Of the images. */
  channels: number;
  /** Background included. */
  classes: number;
  /** How many scales get a head that is used, the finest first. Further heads exist, and keep their first values. */
  heads: number;
  tiling: Tiling;
  precision?: Precision;
}

/**
 * nnU-Net's PlainConvUNet as kernels. Forward, top to bottom: the encoder's stages, each a strided block and more blocks; then the
 * decoder's, each a transposed convolution, the joined skip, and blocks; a 1x1x1 convolution reads the classes off each scale.
 * While this is built, every operation notes how to go back; `backward` undoes them in reverse.
 */
export class Unet {
  readonly parameters = new Parameters();
  readonly input: Maps;
  /** Logits of each scale in use, the finest first. */
  readonly logits: Maps[] = [];
  readonly forward: Kernel[] = [];
  /** Elements of the parameters that training changes: the first ones. */
  readonly trained: number;
  readonly #back: (() => Kernel[])[] = [];
  readonly #gradients = new Map<Memory, Maps>();
  /** Gradients that hold something already: what comes later is added. */
  readonly #written = new Set<Memory>();
  readonly #options: UnetOptions;
  readonly #storage: { type: ScalarType };
  readonly #axes: number;

  /** @throws PlansError if the network is one that is not built here */
  constructor(options: UnetOptions) {
    const { network, patchSize, batch, channels, classes, tiling, precision } = options;
    checkNetwork(network, patchSize);
    this.#options = { ...options, tiling };
    this.#storage = { type: precision === 'mixed' ? 'f16' : 'f32' };
    this.#axes = patchSize.length;
    this.input = maps('input', batch, channels, patchOf(patchSize), { persistent: true });
    const { features, strides, kernels, encoder, decoder } = network;
    const last = features.length - 1;

    // Where a scale is met again on the way up, its skip is written right into what the decoder will read.
    const joined: Maps[] = [];
    let at = this.input;
    for (let stage = 0; stage <= last; stage++) {
      const kernel = three(kernels[stage]);
      for (let i = 0; i < encoder[stage]; i++) {
        const stride = i === 0 ? three(strides[stage]) : ONES;
        let output: Maps | null = null;
        if (stage < last && i === encoder[stage] - 1) {
          const shape = coarseShape(at.shape, kernel, stride, same(kernel));
          joined[stage] = maps(`decoder ${stage} joined`, batch, 2 * features[stage], shape, this.#storage);
          output = slice(joined[stage], features[stage], features[stage]);
        }
        at = this.#block(`encoder.stages.${stage}.0.convs.${i}`, at, features[stage], kernel, stride, output);
      }
    }
    const scales: { name: string; at: Maps }[] = [];
    for (let i = 0; i < last; i++) {
      const stage = last - 1 - i;
      this.#upsample(`decoder.transpconvs.${i}`, at, three(strides[stage + 1]), slice(joined[stage], 0, features[stage]));
      at = joined[stage];
      for (let j = 0; j < decoder[i]; j++)
        at = this.#block(`decoder.stages.${i}.convs.${j}`, at, features[stage], three(kernels[stage]), ONES, null);
      scales.unshift({ name: `decoder.seg_layers.${i}`, at });
    }
    for (const { name, at: maps } of scales.slice(0, options.heads)) this.logits.push(this.#head(name, maps, classes));
    this.trained = this.parameters.values.length;
    for (const { name, at: maps } of scales.slice(options.heads)) this.#convolutionParameters(name, maps.channels, classes, ONES);
  }

  /** Kernels that turn the gradients of logits (see `gradientOf`) into those of all parameters. Call it once. */
  backward(): Kernel[] {
    for (const logits of this.logits) this.#written.add(logits.memory);
    return this.#back.toReversed().flatMap((undo) => undo());
  }

  /** Where the gradient of some maps lies. */
  gradientOf(view: Maps): Maps {
    const { memory, batch, total, shape } = view;
    let whole = this.#gradients.get(memory);
    if (whole === undefined) {
      whole = maps(`gradient of ${memory.name}`, batch, total, shape, { type: memory.type });
      this.#gradients.set(memory, whole);
    }
    return slice(whole, view.first, view.channels);
  }

  /** Convolution, instance norm, leaky ReLU. */
  #block(name: string, input: Maps, features: number, kernel: Triple, stride: Triple, into: Maps | null): Maps {
    const { tiling } = this.#options;
    const padding = same(kernel);
    const shape = coarseShape(input.shape, kernel, stride, padding);
    const raw = maps(`${name}.conv`, input.batch, features, shape, this.#storage);
    const output = into ?? maps(name, input.batch, features, shape, this.#storage);
    const convolution = { name: `${name}.conv`, fine: input, coarse: raw, kernel, stride, padding, tiling };
    const { weight, bias } = this.#convolutionParameters(`${name}.conv`, input.channels, features, kernel);
    const norm: Norm = {
      name: `${name}.norm`,
      input: raw,
      output,
      weight: this.parameters.add(`${name}.norm.weight`, [features], 'ones'),
      bias: this.parameters.add(`${name}.norm.bias`, [features], 'zeros'),
      statistics: statisticsOf(name, raw),
    };
    this.forward.push(gather(convolution, weight, bias), ...normalise(norm));
    this.#back.push(() => {
      const gradient = this.gradientOf(raw);
      // The norm takes away whatever the bias adds: its gradient is 0, and stays so in memory.
      const parameters = { weight: this.parameters.gradientOf(norm.weight), bias: this.parameters.gradientOf(norm.bias) };
      return [
        ...normaliseGradient(norm, this.gradientOf(output), gradient, parameters),
        ...weightGradient(convolution, { fine: input, coarse: gradient }, this.parameters.gradientOf(weight)),
        ...this.#dataGradient(convolution, weight, gradient),
      ];
    });
    return output;
  }

  /** A transposed convolution whose kernel is its stride. */
  #upsample(name: string, input: Maps, stride: Triple, output: Maps): void {
    const { tiling } = this.#options;
    const convolution = { name, fine: output, coarse: input, kernel: stride, stride, padding: ZEROS, tiling };
    const taps = stride[0] * stride[1] * stride[2];
    // PyTorch counts the second axis of the weights as inputs, and so does nnU-Net's initialisation.
    const weight = this.parameters.add(`${name}.weight`, [input.channels, output.channels, ...this.#own(stride)], {
      he: output.channels * taps,
    });
    const bias = this.parameters.add(`${name}.bias`, [output.channels], 'zeros');
    this.forward.push(scatter(convolution, weight, bias));
    this.#back.push(() => {
      const given = this.gradientOf(output);
      const wanted = this.gradientOf(input);
      return [
        ...biasGradient(name, given, this.parameters.gradientOf(bias)),
        ...weightGradient(convolution, { fine: given, coarse: input }, this.parameters.gradientOf(weight)),
        gather({ ...convolution, fine: given, coarse: wanted }, weight, null, { accumulate: this.#accumulates(input) }),
      ];
    });
  }

  #head(name: string, input: Maps, classes: number): Maps {
    const { tiling } = this.#options;
    const output = maps(name, input.batch, classes, input.shape);
    const { weight, bias } = this.#convolutionParameters(name, input.channels, classes, ONES);
    const convolution = { name, fine: input, coarse: output, kernel: ONES, stride: ONES, padding: ZEROS, tiling };
    this.forward.push(gather(convolution, weight, bias));
    this.#back.push(() => {
      const given = this.gradientOf(output);
      return [
        ...biasGradient(name, given, this.parameters.gradientOf(bias)),
        ...weightGradient(convolution, { fine: input, coarse: given }, this.parameters.gradientOf(weight)),
        ...this.#dataGradient(convolution, weight, given),
      ];
    });
    return output;
  }

  #dataGradient(convolution: Convolution, weight: Parameter, given: Maps): Kernel[] {
    const { fine } = convolution;
    if (fine.memory === this.input.memory) return [];
    return [scatter({ ...convolution, fine: this.gradientOf(fine), coarse: given }, weight, null, { accumulate: this.#accumulates(fine) })];
  }

  /** Whether something was written to this gradient before; from now on, yes. */
  #accumulates({ memory }: Maps): boolean {
    const before = this.#written.has(memory);
    this.#written.add(memory);
    return before;
  }

  #convolutionParameters(name: string, inputs: number, outputs: number, kernel: Triple): { weight: Parameter; bias: Parameter } {
    const taps = kernel[0] * kernel[1] * kernel[2];
    return {
      weight: this.parameters.add(`${name}.weight`, [outputs, inputs, ...this.#own(kernel)], { he: inputs * taps }),
      bias: this.parameters.add(`${name}.bias`, [outputs], 'zeros'),
    };
  }

  /** Sizes along the network's own axes. */
  #own(sizes: Triple): number[] {
    return sizes.slice(-this.#axes);
  }
}

const ONES: Triple = [1, 1, 1];
const ZEROS: Triple = [0, 0, 0];

/** Padding that keeps the size at stride 1. */
function same(kernel: Triple): Triple {
  return triple((axis) => Math.floor((kernel[axis] - 1) / 2));
}

/** Two axes or three, as three. */
const three = (sizes: readonly number[]): Triple => patchOf(sizes);

function checkNetwork({ kind, strides, features }: Network, patch: readonly number[]): void {
  if (kind !== 'plain')
    throw new PlansError(
      'the plans',
      'they want a residual encoder, and this trainer builds plain U-Nets (PlainConvUNet) only',
      'Plan with the planner default, or train in nnU-Net',
    );
  if (features.length < 2) throw new PlansError('the plans', 'the network has one stage', 'A U-Net needs two or more');
  if (strides[0].length !== patch.length)
    throw new PlansError(
      'the plans',
      `the network has ${strides[0].length} axes, the patch ${show(patch)} has ${patch.length}`,
      'Take a patch with as many axes as the configuration',
    );
  if (strides[0].some((stride) => stride !== 1))
    throw new PlansError(
      'the plans',
      `the first stage has stride ${show(strides[0])}`,
      'The trainer builds networks whose first stage keeps the resolution',
    );
  const divisor = patch.map((_, axis) => strides.reduce((product, stride) => product * stride[axis], 1));
  if (patch.some((size, axis) => size % divisor[axis] !== 0))
    throw new PlansError(
      'the plans',
      `the patch ${show(patch)} cannot be halved as often as the network wants`,
      `Take a multiple of ${show(divisor)}`,
    );
}
