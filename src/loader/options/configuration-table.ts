import { PRESETS, type PresetName } from '../../augmentation/presets.ts';
import type { PipelineStep } from '../../augmentation/transforms/index.ts';
import { readGigabytes, readNumber, readSizes } from '../../common/flag-readers.ts';
import { flag, number, oneOf, text, that, wholeNumber } from '../../common/schemas.ts';
import { PAD_MODES } from '../../reading/pad.ts';
import { SAMPLING_OPTIONS, type StreamOption } from '../../sampling/table.ts';
import { TARGET_TYPES } from '../../shared-memory/target-array.ts';
import { readAugmentation } from './flags.ts';

export const MOST_WORKERS = 256;
/** As many as keep a GPU busy; a rank takes no cores from the others of its machine. */
export const ENOUGH_WORKERS = 4;
/** Where they come and go: memory is sized for as many. */
export const MOST_AUTO_WORKERS = 8;

export const ringLength = wholeNumber(1, 2 ** 16);
export const pipeline = that<PresetName | readonly PipelineStep[]>(
  'a pipeline',
  (value) => typeof value === 'string' || Array.isArray(value),
  `Give one of ${PRESETS.join(', ')}, or a list of steps`,
);

/** What a stream of one configuration is made from; `perConfiguration` says which of it configurations of a mixed stream may differ in. */
export const CONFIGURATION_OPTIONS = {
  /** Take patch and batch size from this configuration of the store's plans. Default: the one the store was written for. */
  config: {
    schema: text('the name of a configuration'),
    perConfiguration: true,
    otherwise: 'what the store was written for',
    flag: '--config NAME',
    help: 'patch and batch size as planned for 3d_fullres, 2d …',
  },
  /** Patch size in voxels, array order: [z, y, x], or [y, x] for 2D patches out of 3D volumes. Default: as planned. */
  patchSize: {
    schema: that<readonly number[]>(
      'a patch size',
      (value) => Array.isArray(value) && [2, 3].includes(value.length) && value.every((size) => Number.isSafeInteger(size) && size > 0),
      'Give three whole numbers above 0 in the order z, y, x, for example [40, 56, 40], or two (y, x) for 2D patches',
    ),
    perConfiguration: true,
    shapes: true,
    otherwise: 'as planned',
    flag: '--patch Z,Y,X',
    read: readSizes,
    typed: 'three sizes in voxels above 0, such as 40,56,40 (z, y, x), or two (y, x) for 2D patches',
    help: 'another patch size in voxels (Y,X for 2D patches)',
  },
  /** Samples a batch, of all ranks together. Default: as planned. */
  batchSize: {
    schema: wholeNumber(1, 2 ** 20),
    perConfiguration: true,
    shapes: true,
    otherwise: 'as planned',
    flag: '--batch N',
    read: readNumber,
    help: 'another number of samples a batch',
  },
  /** Names the stream: a whole number from 0 to 2^53 - 1. Default 0. */
  seed: {
    schema: wholeNumber(0, Number.MAX_SAFE_INTEGER),
    default: 0,
    shapes: true,
    flag: '--seed N',
    read: readNumber,
    help: 'names the stream',
  },
  /**
   * Worker threads, or 'auto': one to begin with, more while somebody waits and cores idle, fewer where nobody does, never more than cores.
   * Default: one per core, shared by the ranks on this machine, at most 4. They change the speed, never the stream.
   */
  workers: {
    schema: that<number | 'auto'>(
      `a whole number from 1 to ${MOST_WORKERS}, or 'auto'`,
      (value) => value === 'auto' || (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MOST_WORKERS),
      "Give one, or 'auto'",
    ),
    otherwise: 'one per core, at most 4',
    flag: '--workers N',
    read: readNumber,
    typed: `a whole number from 1 to ${MOST_WORKERS}, or auto`,
    help: 'worker threads, or auto: as many as waiting and idle cores ask for; they change the speed, never the stream',
  },
  ...SAMPLING_OPTIONS,
  /**
   * For a cascade's second stage: the folder with the previous stage's segmentation of every case, `CASE.npy` or `CASE.nii.gz`, labels on
   * the grid of the store. They become one channel a foreground label, behind those of the image. A NIfTI file is converted once, to
   * `CASE.npy` beside it.
   */
  previousStage: {
    schema: text('the path of a folder'),
    otherwise: 'no cascade',
    flag: '--previous-stage DIR',
    help: "a cascade's previous segmentations, CASE.npy or CASE.nii.gz on the grid of the store",
  },
  /** What stands outside a volume in images: 'constant' (0, the default), 'edge' or 'reflect'. Targets always get -1. */
  padMode: {
    schema: oneOf(PAD_MODES),
    default: 'constant',
    perConfiguration: true,
    shapes: true,
    flag: '--pad-mode MODE',
    help: 'what stands outside a volume in images: constant (0), edge or reflect',
  },
  /**
   * What is done to patches: the name of a preset, or a list of steps (see `presetSteps`). 'default' is nnU-Net's training pipeline,
   * 'validation' its other one. Default 'none': patches as they are stored.
   */
  augmentation: {
    schema: pipeline,
    default: 'none',
    perConfiguration: true,
    shapes: true,
    flag: '--augmentation A',
    read: readAugmentation,
    help: `what is done to patches: ${PRESETS.slice(0, 3).join(', ')} (nnU-Net's), noMirroring, da5 …; or a .json file with a list of steps`,
  },
  /** Decide labels bit for bit as nnU-Net does where a preset rotates or scales; slow. Default false. */
  nnunetCompat: {
    schema: flag(),
    default: false,
    perConfiguration: true,
    flag: '--nnunet-compat',
    help: 'decide labels bit for bit as nnU-Net does; slow',
  },
  /**
   * Coarser targets besides the labels: true for those that the planned network wants, or the scales of each target along each axis, the
   * first all 1. Default false.
   */
  deepSupervision: {
    schema: that<boolean | readonly (readonly number[])[]>(
      'true, false or a list of scales',
      (value) => typeof value === 'boolean' || Array.isArray(value),
      'Give the scales of each target, as [[1, 1, 1], [0.5, 0.5, 0.5]]',
    ),
    default: false,
    perConfiguration: true,
    shapes: true,
    flag: '--deep-supervision',
    help: 'coarser targets, too, as the planned network wants them',
  },
  /**
   * Whether targets are the masks of the data set's regions, one channel each, an ignore label's last. Default: where it has regions,
   * except with augmentation 'none'.
   */
  regions: {
    schema: flag(),
    perConfiguration: true,
    shapes: true,
    otherwise: 'where the data set has regions, except with augmentation none',
    help: "whether targets are the masks of the data set's regions, one channel each",
  },
  /** 'bool': masks of regions have one byte a voxel, 0 or 1, in place of an int16. Only where targets are regions. Default 'int16'. */
  targetType: {
    schema: oneOf(TARGET_TYPES),
    default: 'int16',
    perConfiguration: true,
    shapes: true,
    help: 'bool: masks of regions have one byte a voxel, 0 or 1',
  },
  /** Batches in shared memory at once: being filled, ready and held. Default: enough to keep all workers busy. */
  ring: {
    schema: ringLength,
    otherwise: 'enough to keep all workers busy',
    flag: '--ring N',
    read: readNumber,
    help: 'batches in memory',
  },
  /**
   * Keep cases in shared memory, up to this many bytes: cropping from there is about twice as fast as from the page cache. The first cases
   * of the store that fit have a place. 0 keeps none. Ranks of one machine keep them together, see docs/python.md. Default: 1 GiB, less where
   * memory is short; divided among the ranks of a machine where they cannot share it.
   */
  cacheBytes: {
    schema: wholeNumber(0, Number.MAX_SAFE_INTEGER),
    otherwise: '1 GiB, less where memory is short',
    flag: '--cache-gb N',
    read: readGigabytes,
    typed: 'a size in GiB, 0 or more',
    help: 'keep cases in memory, up to this; 0 reads files only',
  },
  /** Refuse to take more memory than this. Default: half of what the machine has, shared by the ranks on it. */
  maxMemoryBytes: {
    schema: wholeNumber(1, Number.MAX_SAFE_INTEGER),
    otherwise: "half of the machine's memory",
    flag: '--max-memory-gb N',
    read: readGigabytes,
    typed: 'a size in GiB, 0 or more',
    help: 'refuse to take more',
  },
  /**
   * A worker that makes no progress for so many seconds is replaced and its sample made again; the second time that is an error. 0 waits
   * for ever. Default 120.
   */
  stallSeconds: {
    schema: number(0),
    default: 120,
    flag: '--stall-seconds N',
    read: readNumber,
    help: 'replace a worker that makes no progress for so many seconds; 0 waits for ever',
  },
  /**
   * Overwrite batches with NaN and -32768 when they are disposed: a view that is used afterwards shows that, and not, one day, another
   * batch. It costs a few milliseconds a batch. Default: unless NODE_ENV is 'production'.
   */
  poison: {
    schema: flag(),
    otherwise: 'unless NODE_ENV is production',
    help: 'overwrite batches with NaN and -32768 when they are disposed: a view that is used afterwards shows that',
  },
} as const satisfies Record<string, StreamOption>;
