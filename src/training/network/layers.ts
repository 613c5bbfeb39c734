import { type Triple, triple, voxels } from '../../common/geometry.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type Maps, type Memory, maps, type ScalarType, slice } from '../gpu/memory.ts';
import type { Products } from '../gpu/product.ts';
import type { Tiling } from '../gpu/tile.ts';
import { type Convolution, coarseShape, productOf } from './convolution.ts';
import { biasGradient, type Norm, normalise, normaliseGradient, statisticsOf } from './norm.ts';
import { type Initial, type Parameter, Parameters } from './parameters.ts';
import { meanPool, meanPoolGradient } from './pooling.ts';
import { gather, scatter, weightGradient } from './products.ts';

export interface LayerOptions {
  tiling: Tiling;
  /** What to take in its place for some of the `products`. */
  tuned?: ReadonlyMap<string, Tiling>;
  /** What feature maps are stored as. */
  storage: ScalarType;
  /** Of the network: 2 or 3. */
  axes: number;
}

/** One convolution. */
interface ConvolutionKind {
  kernel: Triple;
  stride?: Triple;
  /** 'idle' before a norm, which takes away whatever a bias adds: its gradient is 0, and stays so in memory. */
  bias: 'learnt' | 'idle' | 'none';
  type?: ScalarType;
}

export const ONES: Triple = [1, 1, 1];
const ZEROS: Triple = [0, 0, 0];

/** The layers of a network in the making: each adds its kernels, and notes how to go back. `backward` undoes them in reverse. */
export class Layers {
  readonly parameters = new Parameters();
  readonly forward: Kernel[] = [];
  /** All that were made, each kind once. */
  readonly products: Products = new Map();
  readonly #input: Maps;
  readonly #options: LayerOptions;
  readonly #back: (() => Kernel[])[] = [];
  readonly #gradients = new Map<Memory, Maps>();
  /** Gradients that hold something already: what comes later is added. */
  readonly #written = new Set<Memory>();

  /** @param input of the network, whose gradient nobody needs */
  constructor(input: Maps, options: LayerOptions) {
    this.#input = input;
    this.#options = options;
  }

  /** Kernels that turn the gradients of `outputs` (see `gradientOf`) into those of all parameters. Call it once. */
  backward(outputs: readonly Maps[]): Kernel[] {
    for (const { memory } of outputs) this.#written.add(memory);
    return this.#back.toReversed().flatMap((undo) => undo());
  }

  /** Where the gradient of some maps lies, stored as they are. */
  gradientOf(view: Maps): Maps {
    const { memory, batch, total, shape } = view;
    let whole = this.#gradients.get(memory);
    if (whole === undefined) {
      whole = maps(`gradient of ${memory.name}`, batch, total, shape, { type: memory.type });
      this.#gradients.set(memory, whole);
    }
    return slice(whole, view.first, view.channels);
  }

  convolution(name: string, input: Maps, features: number, { kernel, stride = ONES, bias: kind, type }: ConvolutionKind): Maps {
    const { storage } = this.#options;
    const padding = same(kernel);
    const output = maps(name, input.batch, features, coarseShape(input.shape, kernel, stride, padding), { type: type ?? storage });
    const convolution = { name, fine: input, coarse: output, kernel, stride, padding };
    const { weight, bias } = this.convolutionParameters(name, input.channels, features, kernel, kind !== 'none');
    this.forward.push(...this.#product('gather', convolution, (of) => gather(of, weight, bias)));
    this.#back.push(() => {
      const given = this.gradientOf(output);
      return [
        ...(bias !== null && kind === 'learnt' ? biasGradient(name, given, this.parameters.gradientOf(bias)) : []),
        ...this.#weightGradient({ ...convolution, coarse: given }, weight),
        ...this.#dataGradient({ ...convolution, coarse: given }, weight),
      ];
    });
    return output;
  }

  /** What a convolution learns, also where the convolution itself is not wanted. */
  convolutionParameters(name: string, inputs: number, outputs: number, kernel: Triple, bias = true) {
    return {
      weight: this.parameters.add(`${name}.weight`, [outputs, inputs, ...this.#own(kernel)], { he: inputs * voxels(kernel) }),
      bias: bias ? this.parameters.add(`${name}.bias`, [outputs], 'zeros') : null,
    };
  }

  /**
   * Instance norm; then what `residual` holds is added, and leaky ReLU follows where there is an `activation`.
   * @param into where the result goes; null: maps of its own
   */
  norm(
    name: string,
    input: Maps,
    { into = null, activation = true, residual = null, weight = 'ones' }: NormKind & { into?: Maps | null; weight?: Initial } = {},
  ): Maps {
    const { batch, channels, shape } = input;
    const output = into ?? maps(name, batch, channels, shape, { type: this.#options.storage });
    const norm: Norm = {
      name,
      input,
      output,
      weight: this.parameters.add(`${name}.weight`, [channels], weight),
      bias: this.parameters.add(`${name}.bias`, [channels], 'zeros'),
      statistics: statisticsOf(name, input),
      activation,
      residual,
    };
    this.forward.push(...normalise(norm));
    this.#back.push(() =>
      normaliseGradient(norm, this.gradientOf(output), this.gradientOf(input), {
        weight: this.parameters.gradientOf(norm.weight),
        bias: this.parameters.gradientOf(norm.bias),
        residual: residual && { maps: this.gradientOf(residual), accumulate: this.#accumulates(residual) },
      }),
    );
    return output;
  }

  /** A transposed convolution whose kernel is its stride. */
  upsample(name: string, input: Maps, stride: Triple, output: Maps): void {
    const convolution = { name, fine: output, coarse: input, kernel: stride, stride, padding: ZEROS };
    // PyTorch counts the second axis of the weights as inputs, and so does nnU-Net's initialisation.
    const weight = this.parameters.add(`${name}.weight`, [input.channels, output.channels, ...this.#own(stride)], {
      he: output.channels * voxels(stride),
    });
    const bias = this.parameters.add(`${name}.bias`, [output.channels], 'zeros');
    this.forward.push(...this.#product('scatter', convolution, (of) => scatter(of, weight, bias)));
    this.#back.push(() => {
      const given = this.gradientOf(output);
      const back = { ...convolution, fine: given, coarse: this.gradientOf(input) };
      const accumulate = this.#accumulates(input);
      return [
        ...biasGradient(name, given, this.parameters.gradientOf(bias)),
        ...this.#weightGradient({ ...convolution, fine: given }, weight),
        ...this.#product(adding('gather', accumulate), back, (of) => gather(of, weight, null, { accumulate })),
      ];
    });
  }

  /** The means of blocks of `stride` voxels. */
  meanPool(name: string, input: Maps, stride: Triple): Maps {
    const shape = triple((axis) => input.shape[axis] / stride[axis]);
    const output = maps(name, input.batch, input.channels, shape, { type: this.#options.storage });
    this.forward.push(meanPool(name, input, output, stride));
    this.#back.push(() => [
      meanPoolGradient(name, this.gradientOf(input), this.gradientOf(output), stride, { accumulate: this.#accumulates(input) }),
    ]);
    return output;
  }

  #weightGradient(convolution: Untiled, weight: Parameter): Kernel[] {
    return this.#product('weight gradient', convolution, (of) => weightGradient(of, this.parameters.gradientOf(weight)));
  }

  #dataGradient(convolution: Untiled, weight: Parameter): Kernel[] {
    const { fine } = convolution;
    if (fine.memory === this.#input.memory) return [];
    const accumulate = this.#accumulates(fine);
    const back = { ...convolution, fine: this.gradientOf(fine) };
    return this.#product(adding('scatter', accumulate), back, (of) => scatter(of, weight, null, { accumulate }));
  }

  /** A product, tiled as suits its kind. */
  #product(kind: string, convolution: Untiled, make: (of: Convolution) => Kernel[]): Kernel[] {
    const { tiling, tuned } = this.#options;
    const product = productOf(kind, convolution);
    const tiled = (tiling: Tiling): Kernel[] => make({ ...convolution, tiling });
    if (!this.products.has(product)) this.products.set(product, tiled);
    return tiled(tuned?.get(product) ?? tiling);
  }

  /** Whether something was written to this gradient before; from now on, yes. */
  #accumulates({ memory }: Maps): boolean {
    const before = this.#written.has(memory);
    this.#written.add(memory);
    return before;
  }

  /** Sizes along the network's own axes. */
  #own(sizes: Triple): number[] {
    return sizes.slice(-this.#options.axes);
  }
}

type Untiled = Omit<Convolution, 'tiling'>;

function adding(kind: string, accumulate: boolean): string {
  return accumulate ? `${kind} and add` : kind;
}

type NormKind = Partial<Pick<Norm, 'activation' | 'residual'>>;

/** Padding that keeps the size at stride 1. */
export function same(kernel: Triple): Triple {
  return triple((axis) => Math.floor((kernel[axis] - 1) / 2));
}
