import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, OptionError, StoreError } from '../common/errors.ts';
import { openFolder } from '../common/folders.ts';
import type { Triple } from '../common/geometry.ts';
import { checkPath } from '../common/names.ts';
import { refuseUnknown, shown } from '../common/options.ts';
import { measureCoverages } from '../planning/coverage.ts';
import type { Normalisation } from '../plans/normalisation.ts';
import type { Plans } from '../plans/plans.ts';
import { type Configuration, defaultConfiguration, resolveConfiguration } from '../plans/plans-file.ts';
import { type Labels, readLabels } from '../raw/labels.ts';
import { refuseRawFolder } from '../raw/raw-folder.ts';
import { sampleClassLocations } from '../store/class-locations.ts';
import { DATASET_FILE, INDEX_FILE, plansFile, SPLITS_FILE } from '../store/file-names.ts';
import { refuseNnunetFolder } from '../store/nnunet/folder.ts';
import type { StoredFile } from '../store/sidecar.ts';
import { checkSplits, fiveFolds, type Split } from '../store/splits.ts';
import { describeStorage, IMAGE_DTYPES, type ImageDtype, PLAIN, type Storage } from '../store/storage.ts';
import { openStore, type Store } from '../store/store.ts';
import { type ListedCase, labelDtype, type StoredCase } from '../store/store-index.ts';
import { writeCase } from '../store/write-case.ts';
import { type CheckedCase, checkCase, type StoreCase } from './check-case.ts';
import { patchesOn } from './grid.ts';
import { writeJson } from './output-folder.ts';
import { writeIndex } from './write-index.ts';

/** What a store is to hold. */
export interface StoreContent {
  /** Of the data set. */
  name: string;
  /** The names of the channels, in their order. */
  channels: readonly string[];
  /** By name, as in nnU-Net's dataset.json: `{ background: 0, liver: 1, tumour: 2 }`; a region lists its labels. */
  labels: Record<string, number | readonly number[]>;
  /** Each is asked for when the one before it is written: a generator need not have two in memory. */
  cases: Iterable<StoreCase> | AsyncIterable<StoreCase>;
  /**
   * How channels were normalised, one entry a channel. Augmentation keeps 0 outside of the nonzero region (label -1) in those with
   * `{ scheme: 'zscore', masked: true }`. Default: with plans, what they say; else nothing is known.
   */
  normalisation?: readonly Normalisation[];
  /** The folds of a cross-validation. Default: nnU-Net's five, where there are five cases or more. */
  splits?: readonly Split[];
  /** What says patch and batch size, and the network to train: the cases must lie on its grid. */
  plans?: Plans;
  /** The configuration of the plans that the cases are for. Default: 3d_fullres, or 2d where there is no 3D plan. */
  config?: string;
  /** What images are written as: see `dtype` of `preprocess`. Default: float32. */
  dtype?: ImageDtype;
}

/**
 * Writes a store of cases that were preprocessed elsewhere. Whenever it is cut off, there is no store but a folder without its
 * index; what was written is written again by the next call.
 * @param dir a folder that holds no store; it is made
 * @example
 * await writeStore('store', {
 *   name: 'spheres',
 *   channels: ['CT'],
 *   labels: { background: 0, sphere: 1 },
 *   cases: [{ id: 'case_1', shape: [64, 64, 64], image: new Float32Array(64 ** 3), segmentation: new Int8Array(64 ** 3) }],
 * });
 * @throws OptionError, DatasetError (labels, splits), CaseError naming the case, PlansError, StoreError, FileError
 */
export async function writeStore(dir: string, content: StoreContent): Promise<Store> {
  checkPath('dir', dir);
  refuseUnknown(content, ['name', 'channels', 'labels', 'cases', 'normalisation', 'splits', 'plans', 'config', 'dtype']);
  if (content.dtype !== undefined && !IMAGE_DTYPES.includes(content.dtype))
    throw new OptionError('dtype', `${shown(content.dtype)} is none of ${IMAGE_DTYPES.join(', ')}`, 'Give one of them');
  const storage: Storage = { ...PLAIN, ...(content.dtype !== undefined && { dtype: content.dtype }) };
  const labels = readLabels('labels', content.labels);
  const channels = checkChannels(content.channels);
  const configuration = configurationOf(content, channels);
  await refuseStore(dir);
  await refuseRawFolder(dir);
  await using _folder = await openFolder(dir);
  const entries = await writeCases(dir, content, channels, labels, configuration, storage);

  const options = configuration ?? { normalisation: content.normalisation };
  const { normalisation, transpose, spacing, resampling } = options as Partial<Configuration>;
  await writeIndex(dir, {
    name: content.name,
    channels,
    labels,
    labelDtype: labelDtype(labels),
    ...describeStorage(storage, [], labelDtype(labels)),
    options: { normalisation, transpose, spacing, resampling },
    optionsHash: '',
    configuration: configuration?.name ?? null,
    plans: content.plans === undefined ? null : plansFile(content.plans),
    cases: entries,
    files: await writeAbout(dir, content, entries),
  });
  return openStore(dir);
}

async function writeCases(
  dir: string,
  { cases, plans }: StoreContent,
  channels: readonly string[],
  labels: Labels,
  configuration: Configuration | null,
  storage: Storage,
): Promise<ListedCase[]> {
  const patches: Triple[] = plans === undefined || configuration === null ? [] : patchesOn(configuration, 'plans', plans);
  const expected = { channels: channels.length, labels, spacing: configuration?.spacing ?? null, ids: new Set<string>() };
  const entries: ListedCase[] = [];
  for await (const given of cases) entries.push(await writeOne(dir, checkCase(given, expected), labels, patches, storage));
  if (entries.length === 0) throw new OptionError('cases', 'there is none', 'Give at least one case');
  // As preprocessing does: in whatever order they come, they make one stream.
  return entries.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function writeOne(dir: string, checked: CheckedCase, labels: Labels, patches: readonly Triple[], storage: Storage): Promise<ListedCase> {
  const { id, shape, spacing, affine, images, segmentation } = checked;
  return writeCase(
    dir,
    {
      id,
      images,
      segmentation,
      shape,
      spacing,
      // The array is where it was: not turned, not cropped, not resampled.
      transpose: [0, 1, 2],
      rawSpacing: spacing,
      shapeBeforeCrop: shape,
      cropBox: { lower: [0, 0, 0], upper: shape },
      affine,
      coverage: measureCoverages(segmentation, shape, patches, labels.classes),
      optionsHash: '',
      sources: [],
      classes: sampleClassLocations(segmentation, labels.classes),
    },
    storage,
  );
}

/** What lies beside the cases, in nnU-Net's formats. */
async function writeAbout(dir: string, content: StoreContent, entries: readonly StoredCase[]): Promise<Record<string, StoredFile>> {
  const { name, channels, labels, plans } = content;
  const ids = entries.map(({ id }) => id);
  const splits = content.splits === undefined ? fiveFolds(ids) : checkSplits('splits', content.splits, ids, 'Correct it, or leave it out');
  const description = {
    name,
    channel_names: Object.fromEntries(channels.map((channel, number) => [number, channel])),
    labels,
    numTraining: entries.length,
    file_ending: '.nii.gz',
  };
  return {
    [DATASET_FILE]: await writeJson(join(dir, DATASET_FILE), description),
    ...(plans !== undefined && { [plansFile(plans)]: await writeJson(join(dir, plansFile(plans)), plans) }),
    ...(splits.length > 0 && { [SPLITS_FILE]: await writeJson(join(dir, SPLITS_FILE), splits) }),
  };
}

function checkChannels(channels: unknown): string[] {
  if (Array.isArray(channels) && channels.length > 0 && channels.every((name) => typeof name === 'string')) return [...channels];
  throw new OptionError('channels', `${JSON.stringify(channels)} is no list of names`, "Give one name a channel, such as ['CT']");
}

function configurationOf({ plans, config, normalisation }: StoreContent, channels: readonly string[]): Configuration | null {
  const count = normalisation?.length ?? channels.length;
  if (count !== channels.length)
    throw new OptionError('normalisation', `it has ${count} entries, there are ${channels.length} channels`, 'Give one a channel');
  if (plans === undefined) {
    if (config === undefined) return null;
    throw new OptionError('config', `there are no plans that say what ${config} is`, 'Give `plans` too');
  }
  const found = resolveConfiguration('plans', plans, config ?? defaultConfiguration(plans));
  if (found.normalisation.length === channels.length) return found;
  throw new OptionError(
    'plans',
    `they are for ${found.normalisation.length} channels, \`channels\` names ${channels.length}`,
    'Give the plans of this data set',
  );
}

/** A folder that cannot be used is refused before the first case is made. */
async function refuseStore(dir: string): Promise<void> {
  await refuseNnunetFolder(dir);
  const path = join(dir, INDEX_FILE);
  const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw fileError(dir, error);
  });
  if (there !== null) throw new StoreError(dir, 'it holds a store already', 'Choose another folder, or remove this one');
}
