import { PlansError } from '../../common/errors.ts';
import { patchOf, show } from '../../common/geometry.ts';
import type { Network } from '../../plans/network.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type Maps, maps, slice } from '../gpu/memory.ts';
import type { Precision } from '../gpu/precision.ts';
import type { Products } from '../gpu/product.ts';
import type { Tiling } from '../gpu/tile.ts';
import { plainBlock, residualBlock } from './blocks.ts';
import { coarseShape } from './convolution.ts';
import { Layers, ONES, same } from './layers.ts';
import type { Parameters } from './parameters.ts';

export interface UnetOptions {
  network: Network;
  /** Voxels, two axes or three. */
  patchSize: readonly number[];
  batch: number;
  /** Of what goes in: of the images, and in a cascade one a foreground label of the previous stage. */
  channels: number;
  /** Outputs: classes, background included, or regions. */
  classes: number;
  /** How many scales get a head that is used, the finest first. Further heads exist, and keep their first values. */
  heads: number;
  tiling: Tiling;
  /** What to take in its place for some of the `products`. */
  tuned?: ReadonlyMap<string, Tiling>;
  precision?: Precision;
}

/**
 * nnU-Net's PlainConvUNet or ResidualEncoderUNet as kernels. Forward, top to bottom: the encoder's stages, each a strided block and more
 * blocks, which a residual encoder's stem goes before; then the decoder's, each a transposed convolution, the joined skip, and blocks;
 * a 1x1x1 convolution reads the outputs off each scale.
 */
export class Unet {
  readonly parameters: Parameters;
  readonly input: Maps;
  /** Logits of each scale in use, the finest first. */
  readonly logits: Maps[] = [];
  readonly forward: Kernel[];
  /** Elements of the parameters that training changes: the first ones. */
  readonly trained: number;
  readonly #layers: Layers;

  /** @throws PlansError if the network is one that is not built here */
  constructor({ network, patchSize, batch, channels, classes, heads, tiling, tuned, precision }: UnetOptions) {
    checkNetwork(network, patchSize);
    const storage = precision === 'mixed' ? 'f16' : 'f32';
    this.input = maps('input', batch, channels, patchOf(patchSize), { persistent: true });
    const layers = new Layers(this.input, { tiling, ...(tuned && { tuned }), storage, axes: patchSize.length });
    this.#layers = layers;
    this.parameters = layers.parameters;
    this.forward = layers.forward;
    const { kind, features, strides, kernels, encoder, decoder } = network;
    const last = features.length - 1;
    const block = kind === 'plain' ? plainBlock : residualBlock;

    // Where a scale is met again on the way up, its skip is written right into what the decoder will read.
    const joined: Maps[] = [];
    let at = this.input;
    if (kind === 'residual')
      at = plainBlock(layers, 'encoder.stem.convs.0', at, {
        features: features[0],
        kernel: patchOf(kernels[0]),
        stride: ONES,
        into: null,
      });
    for (let stage = 0; stage <= last; stage++) {
      const kernel = patchOf(kernels[stage]);
      for (let i = 0; i < encoder[stage]; i++) {
        const stride = i === 0 ? patchOf(strides[stage]) : ONES;
        let into: Maps | null = null;
        if (stage < last && i === encoder[stage] - 1) {
          const shape = coarseShape(at.shape, kernel, stride, same(kernel));
          joined[stage] = maps(`decoder ${stage} joined`, batch, 2 * features[stage], shape, { type: storage });
          into = slice(joined[stage], features[stage], features[stage]);
        }
        const name = kind === 'plain' ? `encoder.stages.${stage}.0.convs.${i}` : `encoder.stages.${stage}.blocks.${i}`;
        at = block(layers, name, at, { features: features[stage], kernel, stride, into });
      }
    }
    const scales: { name: string; at: Maps }[] = [];
    for (let i = 0; i < last; i++) {
      const stage = last - 1 - i;
      layers.upsample(`decoder.transpconvs.${i}`, at, patchOf(strides[stage + 1]), slice(joined[stage], 0, features[stage]));
      at = joined[stage];
      for (let j = 0; j < decoder[i]; j++)
        at = plainBlock(layers, `decoder.stages.${i}.convs.${j}`, at, {
          features: features[stage],
          kernel: patchOf(kernels[stage]),
          stride: ONES,
          into: null,
        });
      scales.unshift({ name: `decoder.seg_layers.${i}`, at });
    }
    for (const { name, at } of scales.slice(0, heads))
      this.logits.push(layers.convolution(name, at, classes, { kernel: ONES, bias: 'learnt', type: 'f32' }));
    // The optimiser takes four at once.
    this.parameters.align(4);
    this.trained = this.parameters.values.length;
    for (const { name, at } of scales.slice(heads)) layers.convolutionParameters(name, at.channels, classes, ONES);
  }

  /** Kernels that turn the gradients of logits (see `gradientOf`) into those of all parameters. Call it once. */
  backward(): Kernel[] {
    return this.#layers.backward(this.logits);
  }

  /** Those of forward and, once it was called, of `backward`. */
  get products(): Products {
    return this.#layers.products;
  }

  /** Where the gradient of some maps lies. */
  gradientOf(view: Maps): Maps {
    return this.#layers.gradientOf(view);
  }
}

function checkNetwork({ strides, features }: Network, patch: readonly number[]): void {
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
