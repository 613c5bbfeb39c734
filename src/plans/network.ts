import { voxels } from '../common/geometry.ts';

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
