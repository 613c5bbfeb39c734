import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { fileError, PlansError } from '../common/errors.ts';
import { show, type Triple } from '../common/geometry.ts';
import { parseJson } from '../common/json-file.ts';
import { checkPath } from '../common/names.ts';
import { shown } from '../common/options.ts';
import { byName, object, that } from '../common/schemas.ts';
import type { DatasetDescription } from '../raw/dataset-json.ts';
import { isReader, READER_NAMES, type Reader, reads } from '../raw/readers.ts';
import type { Network } from './network.ts';
import { type Normalisation, normalisationOf, SCHEME_CLASS, type Scheme } from './normalisation.ts';
import { type Architecture, architectureOf, networkFrom, type Plans, RESAMPLING, type ResamplingArguments } from './plans.ts';

/** One configuration of a plans file, inheritance resolved and checked: what preprocessing and the loader need. */
export interface Configuration {
  name: string;
  patchSize: number[];
  batchSize: number;
  /** Millimetres in transposed axis order; two entries where axis 0 keeps its own spacing. */
  spacing: number[];
  transpose: Triple;
  /** One per channel. */
  normalisation: Normalisation[];
  resampling: { data: ResamplingArguments; segmentation: ResamplingArguments };
  /** null for an architecture that is none of nnU-Net's U-Nets. */
  network: Network | null;
  /** Whether the loss takes Dice over a whole batch, as one. */
  batchDice: boolean;
  previousStage: string | null;
  /** The folder that nnU-Net preprocesses its cases into; null where the plans do not say. */
  dataIdentifier: string | null;
}

/** What matters of a configuration once its cases are preprocessed, by whatever means. */
export type PlannedConfiguration = Omit<Configuration, 'normalisation' | 'resampling'>;

const ACTION = 'Write the plans again with `voxfeed plan` or nnU-Net';

/** Other JSON files of a store. */
const TAKEN = ['dataset', 'dataset_fingerprint', 'splits_final', 'oversampling', 'voxfeed'];

/** It becomes the name of a file, beside others. */
const isPlansName = (name: unknown): boolean => typeof name === 'string' && /^[\w.-]{1,200}$/.test(name) && !TAKEN.includes(name);

const PLANS = object({
  configurations: v.pipe(byName(object({})), v.minEntries(1, 'it is empty')),
  plans_name: that(`a name of letters, digits, _, - and ., and none of ${TAKEN.join(', ')}`, isPlansName),
  transpose_forward: that('an order of the axes 0, 1, 2', isOrder),
  foreground_intensity_properties_per_channel: v.optional(byName(object({}))),
  foreground_intensity_properties_by_modality: v.optional(byName(object({}))),
});

function isOrder(value: unknown): boolean {
  return Array.isArray(value) && value.length === 3 && [0, 1, 2].every((axis) => value.includes(axis));
}

/** Fields that old releases wrote instead of "architecture". */
const OLD_NETWORK = [
  'UNet_class_name',
  'UNet_base_num_features',
  'unet_max_num_features',
  'n_conv_per_stage_encoder',
  'n_conv_per_stage_decoder',
  'pool_op_kernel_sizes',
  'conv_kernel_sizes',
];

/** @throws PlansError naming the file and what in it is wrong, FileError */
export async function readPlans(path: string): Promise<Plans> {
  checkPath('path', path);
  try {
    return parsePlans(path, await readFile(path, 'utf8'));
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Plans of any release of nnU-Net v2 (docs/nnunet.md#plans-file). Unknown entries are kept.
 * @param path for messages
 * @throws PlansError
 */
function parsePlans(path: string, text: string): Plans {
  const json = parseJson(path, text, PLANS, { Failure: PlansError, action: ACTION }) as unknown as Plans & {
    foreground_intensity_properties_by_modality?: Plans['foreground_intensity_properties_per_channel'];
  };
  const { foreground_intensity_properties_by_modality: old, ...plans } = json;
  plans.foreground_intensity_properties_per_channel ??= old ?? {};
  return plans;
}

/**
 * The configuration `name`, with everything it inherits.
 * @param path of the plans, for messages
 * @throws PlansError if it is not there, inherits in a circle, or says something that cannot be done here
 */
export function resolveConfiguration(path: string, plans: Plans, name: string): Configuration {
  const planned = plannedConfiguration(path, plans, name);
  const entry = inherit(path, plans, name, []);
  const fail = failing(path, name);
  if (entry.preprocessor_name !== undefined && entry.preprocessor_name !== 'DefaultPreprocessor')
    fail(`the preprocessor ${shown(entry.preprocessor_name)} is not known here`, "Only nnU-Net's DefaultPreprocessor is");
  for (const key of ['resampling_fn_data', 'resampling_fn_seg']) {
    if (entry[key] !== undefined && entry[key] !== RESAMPLING) fail(`"${key}" is ${shown(entry[key])}`, `Only ${RESAMPLING} is known here`);
  }
  return {
    ...planned,
    normalisation: normalisationFrom(plans, entry, fail),
    resampling: {
      data: resamplingFrom(entry.resampling_fn_data_kwargs, [0, 1, 3], 3, fail),
      segmentation: resamplingFrom(entry.resampling_fn_seg_kwargs, [0, 1], 1, fail),
    },
  };
}

/**
 * The same for cases that are preprocessed already: how that was done need not be known here.
 * @throws PlansError
 */
export function plannedConfiguration(path: string, plans: Plans, name: string): PlannedConfiguration {
  const entry = inherit(path, plans, name, []);
  const fail = failing(path, name);
  const sizes = (key: string, lengths: number[], whole: boolean): number[] => {
    const value = entry[key];
    const good = (size: unknown): boolean =>
      typeof size === 'number' && size > 0 && Number.isFinite(size) && (!whole || Number.isInteger(size));
    if (!Array.isArray(value) || !lengths.includes(value.length) || !value.every(good)) return fail(`"${key}" is ${shown(value)}`);
    return value;
  };
  const patchSize = sizes('patch_size', [2, 3], true);
  const spacing = sizes('spacing', [patchSize.length], false);
  const batchSize = entry.batch_size;
  if (!Number.isInteger(batchSize) || (batchSize as number) < 1) fail(`"batch_size" is ${shown(batchSize)}`);
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return {
    name,
    patchSize,
    batchSize: batchSize as number,
    spacing,
    transpose: plans.transpose_forward,
    network: networkFrom(entry.architecture ?? oldArchitecture(entry)),
    batchDice: entry.batch_dice === true,
    previousStage: text(entry.previous_stage),
    dataIdentifier: text(entry.data_identifier),
  };
}

type Dataset = Pick<DatasetDescription, 'reader' | 'ending'>;

/**
 * Which of nnU-Net's readers the plans have images read by.
 * @param dataset whose images those are, and by what they are read where plans do not say
 * @throws PlansError for one that is not known here, or does not read such images
 */
export function plannedReader(path: string, { image_reader_writer: name }: Plans, { reader, ending }: Dataset): Reader {
  if (name === undefined) return reader;
  if (isReader(name) && reads(name, ending)) return name;
  throw new PlansError(
    path,
    `they have ${ending} images read by ${shown(name)}`,
    isReader(name)
      ? `It reads no ${ending} here: plan again, or convert the images`
      : `Only ${READER_NAMES.join(', ')} are known here: plan again with one of them in dataset.json, or preprocess with nnU-Net`,
  );
}

/** The configuration to take if nobody says which: 3d_fullres, or 2d where there is no 3D plan. */
export function defaultConfiguration(plans: Plans): string {
  const names = Object.keys(plans.configurations);
  return ['3d_fullres', '2d'].find((name) => names.includes(name)) ?? names[0];
}

/** What decides the voxels that a configuration's cases are written with. */
export type Voxels = Pick<Configuration, 'spacing' | 'transpose' | 'normalisation' | 'resampling'>;

/** Whether patches of one configuration can be drawn from cases that were preprocessed for another. */
export function sharesVoxels(written: Voxels, wanted: Voxels): boolean {
  const rest = ({ transpose, normalisation, resampling }: Voxels): string => JSON.stringify([transpose, normalisation, resampling]);
  return sharesGrid(written, wanted) && rest(written) === rest(wanted);
}

export function sharesGrid(written: Voxels, wanted: Voxels): boolean {
  // 2D patches come out of 3D volumes: what counts for them is the grid within slices.
  const axes = wanted.spacing.length;
  return axes <= written.spacing.length && wanted.spacing.every((size, i) => size === written.spacing.at(i - axes));
}

/** nnU-Net's rule: the parent's entries, resolved the same way, under the child's own. */
function inherit(path: string, plans: Plans, name: string, children: string[]): Record<string, unknown> {
  const names = Object.keys(plans.configurations);
  if (!names.includes(name)) {
    const heir = children.length > 0 ? `, which ${children.at(-1)} inherits from` : '';
    throw new PlansError(path, `there is no configuration "${name}"${heir}`, `Choose one of ${names.join(', ')}`);
  }
  if (children.includes(name)) throw new PlansError(path, `configurations inherit in a circle: ${[...children, name].join(' → ')}`, ACTION);
  const entry = plans.configurations[name] as Record<string, unknown>;
  if (!isObject(entry)) throw new PlansError(path, `configuration ${name} is not an object`, ACTION);
  if (typeof entry.inherits_from !== 'string') return entry;
  return { ...inherit(path, plans, entry.inherits_from, [...children, name]), ...entry };
}

type Fail = (what: string, action?: string) => never;

function failing(path: string, name: string): Fail {
  return (what, action = ACTION) => {
    throw new PlansError(path, `configuration ${name}: ${what}`, action);
  };
}

function normalisationFrom(plans: Plans, entry: Record<string, unknown>, fail: Fail): Normalisation[] {
  const { normalization_schemes: classes, use_mask_for_norm: masks } = entry;
  if (!Array.isArray(classes) || classes.length === 0) return fail('"normalization_schemes" is missing');
  if (!Array.isArray(masks) || masks.length !== classes.length) return fail('"use_mask_for_norm" does not match "normalization_schemes"');
  return classes.map((name, channel) => {
    const scheme = (Object.keys(SCHEME_CLASS) as Scheme[]).find((key) => SCHEME_CLASS[key] === name);
    if (scheme === undefined)
      return fail(`the normalisation ${shown(name)} is not known here`, `Choose from ${Object.values(SCHEME_CLASS).join(', ')}`);
    const properties = plans.foreground_intensity_properties_per_channel[String(channel)];
    const complete = ['mean', 'std', 'percentile_00_5', 'percentile_99_5'].every((key) => Number.isFinite(properties?.[key as 'mean']));
    if (scheme === 'ct' && properties !== undefined && !complete)
      fail(`"foreground_intensity_properties_per_channel" has no whole statistics of channel ${channel}`);
    return normalisationOf(scheme, masks[channel] === true, properties);
  });
}

function resamplingFrom(json: unknown, orders: number[], order: number, fail: Fail): ResamplingArguments {
  const found = { is_seg: false, order, order_z: 0, force_separate_z: null, ...(isObject(json) ? json : {}) };
  if (![true, false, null].includes(found.force_separate_z))
    return fail(`"force_separate_z" is ${shown(found.force_separate_z)}`, 'It is true, false or null');
  if (!orders.includes(found.order) || ![0, 1, 3].includes(found.order_z)) {
    return fail(
      `resampling of order ${shown(found.order)} (along z ${shown(found.order_z)}) is not known here`,
      `The orders are ${show(orders)}, along z 0, 1 and 3`,
    );
  }
  return found;
}

/** Plans from before "architecture" describe the same networks in fields of their own. */
function oldArchitecture(entry: Record<string, unknown>): Architecture | null {
  if (!OLD_NETWORK.every((key) => key in entry) || !Array.isArray(entry.n_conv_per_stage_encoder)) return null;
  const encoder: number[] = entry.n_conv_per_stage_encoder;
  const first = entry.UNet_base_num_features as number;
  const strides = entry.pool_op_kernel_sizes;
  if (!Array.isArray(strides) || !Array.isArray(strides[0])) return null;
  return architectureOf({
    kind: entry.UNet_class_name === 'ResidualEncoderUNet' ? 'residual' : 'plain',
    features: encoder.map((_, stage) => Math.min(first * 2 ** stage, entry.unet_max_num_features as number)),
    strides,
    kernels: entry.conv_kernel_sizes as number[][],
    encoder,
    decoder: entry.n_conv_per_stage_decoder as number[],
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
