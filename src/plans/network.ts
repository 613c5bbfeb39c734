import * as v from 'valibot';
import { voxels } from '../common/geometry.ts';
import { list, object, oneOf, wholeNumber } from '../common/schemas.ts';

/** A U-Net as plans describe it. Lists have one entry a stage, the finest first; axes are in array order. */
export interface Network {
  kind: 'plain' | 'residual';
  features: number[];
  strides: number[][];
  kernels: number[][];
  /** Convolutions (plain) or residual blocks of two convolutions each. */
  encoder: number[];
  /** Convolutions of each decoder stage, the deepest first, as plans list them. */
  decoder: number[];
}

const row = () => list(wholeNumber(1, 2 ** 20));
const rows = () => v.pipe(list(row()), v.minLength(1, 'it is empty'));

/** A network in JSON of ours: lists as long as one another, of whole numbers above 0. */
export const NETWORK = v.pipe(
  object({
    kind: oneOf(['plain', 'residual']),
    features: v.pipe(row(), v.minLength(1, 'it is empty')),
    strides: rows(),
    kernels: rows(),
    encoder: row(),
    decoder: row(),
  }),
  v.check(
    (network) => fits(network as unknown as Network),
    () => 'it has lists of stages or axes that do not match',
  ),
);

/** Whether all stages are described, along the same axes. */
function fits({ features: { length }, strides, kernels, encoder, decoder }: Network): boolean {
  const axes = strides[0].length;
  return (
    (axes === 2 || axes === 3) &&
    [strides.length, kernels.length, encoder.length, decoder.length + 1].every((count) => count === length) &&
    [...strides, ...kernels].every((entry) => entry.length === axes)
  );
}

/** The voxels of each stage's feature maps. */
export function stageVoxels({ strides }: Network, patch: readonly number[]): number[] {
  let size = [...patch];
  return strides.map((stride) => {
    size = size.map((length, axis) => Math.floor(length / stride[axis]));
    return voxels(size);
  });
}

/** Whether the first block of a residual stage changes resolution or channels, so that its skip needs a projection. */
export function projects({ features, strides }: Network, stage: number): boolean {
  return features[Math.max(stage - 1, 0)] !== features[stage] || strides[stage].some((stride) => stride !== 1);
}

/** Convolutions of the decoder stage that works at the resolution of encoder stage `stage`. */
export function decoderConvolutions({ decoder }: Network, stage: number): number {
  return decoder[decoder.length - 1 - stage];
}

/**
 * The planner's unit of memory: the elements of all convolution outputs for one sample, without deep supervision
 * (docs/nnunet.md#network-size). Kernel sizes and input channels do not enter.
 * @param heads entries of "labels" in dataset.json, background and "ignore" included
 */
export function featureMapSize(network: Network, patch: readonly number[], heads: number): number {
  const { kind, features, encoder } = network;
  const size = stageVoxels(network, patch);
  const maps = features.map((count, stage) => count * size[stage]);
  let total = heads * size[0];
  for (const [stage, map] of maps.entries()) {
    total += (kind === 'plain' ? 1 : 2) * encoder[stage] * map;
    if (kind === 'residual' && projects(network, stage)) total += map;
    if (stage < maps.length - 1) total += (decoderConvolutions(network, stage) + 1) * map;
  }
  return kind === 'residual' ? total + features[0] * voxels(patch) : total;
}
