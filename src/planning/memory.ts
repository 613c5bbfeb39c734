import { OptionError } from '../common/errors.ts';
import { voxels } from '../common/geometry.ts';
import { checkOptions, isPlainObject, type OptionTable } from '../common/options.ts';
import { flag, that, wholeNumber } from '../common/schemas.ts';
import { decoderConvolutions, type Network, projects, stageVoxels } from '../plans/network.ts';

/** What a network is trained on. */
export interface MemoryInput {
  network: Network;
  /** Voxels an axis, two axes or three. */
  patch: readonly number[];
  batch: number;
  inputChannels: number;
  /** Output channels of the network: labels with background, or regions. */
  outputChannels: number;
  /** A loss at every decoder stage; nnU-Net's default. */
  deepSupervision?: boolean;
}

const count = wholeNumber(1, 2 ** 31);
const MEMORY_INPUT = {
  network: {
    schema: that<Network>(
      'a network',
      (value) => isPlainObject(value) && Array.isArray(value.strides),
      'Give `network` of a planned configuration',
    ),
    required: true,
    help: 'of a planned configuration',
  },
  patch: {
    schema: that<readonly number[]>(
      'a patch size',
      (value) => Array.isArray(value) && value.length > 0 && value.every((size) => Number.isSafeInteger(size) && size > 0),
      'Give whole numbers above 0, one an axis',
    ),
    required: true,
    help: 'voxels an axis',
  },
  batch: { schema: count, required: true, help: 'samples a batch' },
  inputChannels: { schema: count, required: true, help: 'channels of the images' },
  outputChannels: { schema: count, required: true, help: 'labels with background, or regions' },
  deepSupervision: { schema: flag(), help: 'a loss at every decoder stage' },
} as const satisfies OptionTable;

/** Bytes of GPU memory that one training step takes. */
export interface MemoryBytes {
  weights: number;
  gradients: number;
  momentum: number;
  activations: number;
  /** Gradients of feature maps during the backward pass. */
  transient: number;
  total: number;
}

/** GPU memory of one training step. */
export interface MemoryEstimate {
  /** Trainable numbers of the network. */
  parameters: number;
  float32: MemoryBytes;
  /** Automatic mixed precision: float32 weights and their half-precision copies, half-precision activations. */
  mixed: MemoryBytes;
}

/**
 * Estimates the memory of one training step (forward, backward, SGD with momentum) in bytes, from shapes alone.
 *
 * - weights, gradients, momentum: 4 bytes a parameter each; mixed precision adds a copy of the weights at 2 bytes.
 * - activations: what PyTorch keeps for the backward pass, at 4 bytes (mixed: 2) an element. A convolution, instance norm and
 *   leaky ReLU keep the convolution's output and the activation (the next convolution's input); a residual block keeps twice
 *   that, a skip projection its input and output; a decoder stage also keeps upsampled and skipped maps put together; the
 *   input itself. The loss keeps about two float32 arrays of the outputs' size.
 * - transient: at the stage with the largest maps, the gradients of the decoder's doubled maps and of one map more.
 *
 * Left out: the CUDA context (about 0.5 GB), workspaces that cuDNN chooses, and fragmentation.
 *
 * @throws OptionError
 */
export function estimateMemory(input: MemoryInput): MemoryEstimate {
  checkOptions(MEMORY_INPUT, input);
  if (input.patch.length !== input.network.strides[0].length)
    throw new OptionError(
      'patch',
      `it has ${input.patch.length} axes, the network has ${input.network.strides[0].length}`,
      'Give the patch of this network',
    );
  const parameters = countParameters(input);
  const { maps, outputs, largest } = countActivations(input);
  const bytes = (element: number, weightCopies: number): MemoryBytes => {
    const parts = {
      weights: parameters * (4 + weightCopies),
      gradients: parameters * 4,
      momentum: parameters * 4,
      activations: input.batch * (maps * element + outputs * 4 * 2),
      transient: input.batch * largest * element * 3,
    };
    return { ...parts, total: Object.values(parts).reduce((sum, part) => sum + part, 0) };
  };
  return { parameters, float32: bytes(4, 0), mixed: bytes(2, 2) };
}

/** Trainable numbers of the network, segmentation heads of all stages included (they exist without deep supervision too). */
export function countParameters({ network, inputChannels, outputChannels }: Omit<MemoryInput, 'patch' | 'batch'>): number {
  const { kind, features, strides, kernels, encoder } = network;
  /** A convolution with bias, and scale and shift of its norm. */
  const convolution = (from: number, to: number, kernel: readonly number[]): number => voxels(kernel) * from * to + 3 * to;
  let total = kind === 'residual' ? convolution(inputChannels, features[0], kernels[0]) : 0;
  let from = kind === 'residual' ? features[0] : inputChannels;
  for (const [stage, to] of features.entries()) {
    const perBlock = kind === 'plain' ? 1 : 2;
    total += convolution(from, to, kernels[stage]) + (perBlock * encoder[stage] - 1) * convolution(to, to, kernels[stage]);
    // The projection has no bias.
    if (kind === 'residual' && from !== to) total += from * to + 2 * to;
    from = to;
    if (stage === features.length - 1) break;
    total += voxels(strides[stage + 1]) * features[stage + 1] * to + to;
    total += convolution(2 * to, to, kernels[stage]) + (decoderConvolutions(network, stage) - 1) * convolution(to, to, kernels[stage]);
    total += to * outputChannels + outputChannels;
  }
  return total;
}

/** Elements for one sample: kept feature maps, outputs that a loss is taken of, and the largest map. */
function countActivations({ network, patch, inputChannels, outputChannels, deepSupervision = true }: MemoryInput) {
  const { kind, features, encoder } = network;
  const size = stageVoxels(network, patch);
  const map = features.map((count, stage) => count * size[stage]);
  let maps = inputChannels * voxels(patch) + (kind === 'residual' ? 2 * features[0] * voxels(patch) : 0);
  let outputs = 0;
  for (const [stage, elements] of map.entries()) {
    maps += (kind === 'plain' ? 2 : 4) * encoder[stage] * elements;
    if (kind === 'residual' && projects(network, stage)) {
      // The pooled input and, where channels change, the projection's output.
      const from = features[Math.max(stage - 1, 0)];
      maps += from * size[stage] + (from === features[stage] ? 0 : elements);
    }
    if (stage === map.length - 1) break;
    maps += 2 * elements + 2 * decoderConvolutions(network, stage) * elements;
    if (stage === 0 || deepSupervision) outputs += outputChannels * size[stage];
  }
  return { maps, outputs, largest: Math.max(...map) };
}
