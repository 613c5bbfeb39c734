import type { Triple } from '../common/geometry.ts';
import { faultOf, isPlainObject } from '../common/options.ts';
import { NETWORK, type Network } from './network.ts';
import { type IntensityProperties, isMasked, SCHEME_CLASS, schemeOf } from './normalisation.ts';

/** Arguments of nnU-Net's resampling function. */
export interface ResamplingArguments {
  is_seg: boolean;
  order: number;
  order_z: number;
  force_separate_z: boolean | null;
}

/** One entry of "configurations" in a plans file, in nnU-Net's own words (docs/nnunet.md#plans-file). */
export interface PlansConfiguration {
  data_identifier: string;
  preprocessor_name: string;
  batch_size: number;
  patch_size: number[];
  median_image_size_in_voxels: number[];
  spacing: number[];
  normalization_schemes: string[];
  use_mask_for_norm: boolean[];
  resampling_fn_data: string;
  resampling_fn_seg: string;
  resampling_fn_data_kwargs: ResamplingArguments;
  resampling_fn_seg_kwargs: ResamplingArguments;
  resampling_fn_probabilities: string;
  resampling_fn_probabilities_kwargs: ResamplingArguments;
  architecture: Architecture;
  batch_dice: boolean;
  next_stage?: string | string[];
  previous_stage?: string;
}

/** A configuration that takes everything it does not say from another one. */
export type InheritingConfiguration = Partial<PlansConfiguration> & { inherits_from: string };

/** A network in nnU-Net's own words: a class and its arguments. */
export interface Architecture {
  network_class_name: string;
  arch_kwargs: {
    n_stages: number;
    features_per_stage: number[];
    conv_op: string;
    kernel_sizes: number[][];
    strides: number[][];
    n_conv_per_stage?: number[];
    n_blocks_per_stage?: number[];
    n_conv_per_stage_decoder: number[];
    conv_bias: boolean;
    norm_op: string;
    norm_op_kwargs: { eps: number; affine: boolean };
    dropout_op: null;
    dropout_op_kwargs: null;
    nonlin: string;
    nonlin_kwargs: { inplace: boolean };
  };
  _kw_requires_import: string[];
}

/** A plans file, `nnUNetPlans.json`. */
export interface Plans {
  dataset_name: string;
  plans_name: string;
  original_median_spacing_after_transp: number[];
  original_median_shape_after_transp: number[];
  image_reader_writer: string;
  transpose_forward: Triple;
  transpose_backward: Triple;
  configurations: Record<string, PlansConfiguration | InheritingConfiguration>;
  experiment_planner_used: string;
  label_manager: string;
  foreground_intensity_properties_per_channel: Record<string, IntensityProperties>;
}

const DATA_RESAMPLING: ResamplingArguments = { is_seg: false, order: 3, order_z: 0, force_separate_z: null };
const SEGMENTATION_RESAMPLING: ResamplingArguments = { is_seg: true, order: 1, order_z: 0, force_separate_z: null };
const PROBABILITIES_RESAMPLING: ResamplingArguments = { is_seg: false, order: 1, order_z: 0, force_separate_z: null };
export const RESAMPLING = 'resample_data_or_seg_to_shape';

/** What a configuration's entry in a plans file says of its planned sizes, apart from its place among the others. */
export function writeConfiguration(
  { patch, batch, network, spacing, median }: { patch: number[]; batch: number; network: Network; spacing: number[]; median: number[] },
  channels: readonly string[],
  medianRelativeSize: number,
): Omit<PlansConfiguration, 'data_identifier' | 'batch_dice'> {
  const schemes = channels.map(schemeOf);
  return {
    preprocessor_name: 'DefaultPreprocessor',
    batch_size: batch,
    patch_size: patch,
    median_image_size_in_voxels: median,
    spacing,
    normalization_schemes: schemes.map((scheme) => SCHEME_CLASS[scheme]),
    use_mask_for_norm: schemes.map((scheme) => isMasked(scheme, medianRelativeSize)),
    resampling_fn_data: RESAMPLING,
    resampling_fn_seg: RESAMPLING,
    resampling_fn_data_kwargs: DATA_RESAMPLING,
    resampling_fn_seg_kwargs: SEGMENTATION_RESAMPLING,
    resampling_fn_probabilities: RESAMPLING,
    resampling_fn_probabilities_kwargs: PROBABILITIES_RESAMPLING,
    architecture: architectureOf(network),
  };
}

const DYNAMIC_ARCHITECTURES = 'dynamic_network_architectures.architectures.unet';

/** nnU-Net's description of a network: the constructor's class and arguments. */
export function architectureOf({ kind, features, strides, kernels, encoder, decoder }: Network): Architecture {
  const dimensions = strides[0].length;
  const name = kind === 'plain' ? 'PlainConvUNet' : 'ResidualEncoderUNet';
  return {
    network_class_name: `${DYNAMIC_ARCHITECTURES}.${name}`,
    arch_kwargs: {
      n_stages: features.length,
      features_per_stage: features,
      conv_op: `torch.nn.modules.conv.Conv${dimensions}d`,
      kernel_sizes: kernels,
      strides,
      ...(kind === 'plain' ? { n_conv_per_stage: encoder } : { n_blocks_per_stage: encoder }),
      n_conv_per_stage_decoder: decoder,
      conv_bias: true,
      norm_op: `torch.nn.modules.instancenorm.InstanceNorm${dimensions}d`,
      norm_op_kwargs: { eps: 1e-5, affine: true },
      dropout_op: null,
      dropout_op_kwargs: null,
      nonlin: 'torch.nn.LeakyReLU',
      nonlin_kwargs: { inplace: true },
    },
    _kw_requires_import: ['conv_op', 'norm_op', 'dropout_op', 'nonlin'],
  };
}

/** The reverse; null for anything that is not a complete description of one of nnU-Net's two U-Nets. */
export function networkFrom(architecture: unknown): Network | null {
  if (!isPlainObject(architecture) || !isPlainObject(architecture.arch_kwargs)) return null;
  const { network_class_name: name } = architecture;
  const plain = typeof name === 'string' && name.endsWith('.PlainConvUNet');
  if (!plain && !(typeof name === 'string' && name.endsWith('.ResidualEncoderUNet'))) return null;
  const { features_per_stage, strides, kernel_sizes, n_conv_per_stage, n_blocks_per_stage, n_conv_per_stage_decoder } =
    architecture.arch_kwargs;
  const network = {
    kind: plain ? 'plain' : 'residual',
    features: features_per_stage,
    strides,
    kernels: kernel_sizes,
    encoder: plain ? n_conv_per_stage : n_blocks_per_stage,
    decoder: n_conv_per_stage_decoder,
  };
  return faultOf(NETWORK, network) === null ? (network as Network) : null;
}
