import { availableParallelism, totalmem } from 'node:os';
import { PAD_MODES, type PadMode } from './dataset/pad.ts';
import type { Store } from './dataset/store.ts';
import { OptionError } from './errors.ts';
import type { Triple } from './geometry.ts';

/** What a `PatchLoader` is made from. */
export interface LoaderOptions {
  /** An opened store; see `openStore`. */
  store: Store;
  /** Patch size in voxels, array order: [z, y, x], or [y, x] for 2D patches out of 3D volumes. */
  patchSize: readonly number[];
  /** Samples a batch. */
  batchSize: number;
  /** Names the stream: a whole number from 0 to 2^53 - 1. Default 0. */
  seed?: number;
  /** Worker threads. Default: one per core. They change the speed, never the stream. */
  workers?: number;
  /** The part of every batch that is forced to hold foreground, 0 to 1. Default 0.33, as in nnU-Net. */
  oversample?: number;
  /** Decide forced samples one by one, at random, instead of the last ones of each batch. Default false. */
  probabilisticOversampling?: boolean;
  /** What stands outside a volume in images: 'constant' (0, the default), 'edge' or 'reflect'. Targets always get -1. */
  padMode?: PadMode;
  /** Batches in shared memory at once: being filled, ready and held. Default: enough to keep all workers busy. */
  ring?: number;
  /**
   * Keep cases in shared memory, up to this many bytes: cropping from there is about twice as fast as from the page cache. The
   * first cases of the store that fit have a place. 0 keeps none. Default: 1 GiB, less where memory is short.
   */
  cacheBytes?: number;
  /** Refuse to take more memory than this. Default: half of what the machine has. */
  maxMemoryBytes?: number;
}

/** Checked options, nothing left open. `null` means that the loader chooses. */
export interface ResolvedOptions {
  store: Store;
  patchSize: number[];
  /** The patch in three axes: a 2D patch has 1 along axis 0. */
  patch: Triple;
  batchSize: number;
  seed: number;
  workers: number;
  oversample: number;
  probabilisticOversampling: boolean;
  padMode: PadMode;
  ring: number | null;
  /** null: the default. */
  cacheBytes: number | null;
  maxMemoryBytes: number;
}

const MAX_WORKERS = 256;

/** @throws OptionError naming the option and what it may be. */
export function resolveOptions(options: LoaderOptions): ResolvedOptions {
  const known = [
    'store',
    'patchSize',
    'batchSize',
    'seed',
    'workers',
    'oversample',
    'probabilisticOversampling',
    'padMode',
    'ring',
    'cacheBytes',
    'maxMemoryBytes',
    'state',
  ];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new OptionError(unknown, 'there is no such option', `The options are ${known.join(', ')}`);
  const { store, patchSize, padMode = 'constant', probabilisticOversampling = false } = options;
  if (typeof store?.location !== 'function') throw new OptionError('store', 'it is not an opened store', 'Pass `await openStore(dir)`');
  if (!Array.isArray(patchSize) || ![2, 3].includes(patchSize.length) || !patchSize.every((size) => Number.isInteger(size) && size > 0)) {
    throw new OptionError(
      'patchSize',
      `${JSON.stringify(patchSize)} is not a patch size`,
      'Give three whole numbers above 0 in the order z, y, x, for example [40, 56, 40], or two (y, x) for 2D patches',
    );
  }
  if (!PAD_MODES.includes(padMode))
    throw new OptionError('padMode', `${JSON.stringify(padMode)} is not a padding`, `Choose one of ${PAD_MODES.join(', ')}`);
  if (typeof probabilisticOversampling !== 'boolean')
    throw new OptionError(
      'probabilisticOversampling',
      `${JSON.stringify(probabilisticOversampling)} is neither true nor false`,
      'Set it to true or false',
    );
  const oversample = options.oversample ?? 0.33;
  if (typeof oversample !== 'number' || !(oversample >= 0 && oversample <= 1))
    throw new OptionError('oversample', `${JSON.stringify(oversample)} is not a fraction`, 'Give a number from 0 to 1; nnU-Net uses 0.33');
  return {
    store,
    patchSize: [...patchSize],
    patch: (patchSize.length === 2 ? [1, ...patchSize] : [...patchSize]) as Triple,
    batchSize: wholeNumber('batchSize', options.batchSize, 1, 2 ** 20),
    seed: wholeNumber('seed', options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    workers: wholeNumber('workers', options.workers ?? Math.min(availableParallelism(), MAX_WORKERS), 1, MAX_WORKERS),
    oversample,
    probabilisticOversampling,
    padMode,
    ring: options.ring === undefined ? null : wholeNumber('ring', options.ring, 1, 2 ** 16),
    cacheBytes: options.cacheBytes === undefined ? null : wholeNumber('cacheBytes', options.cacheBytes, 0, Number.MAX_SAFE_INTEGER),
    maxMemoryBytes: wholeNumber('maxMemoryBytes', options.maxMemoryBytes ?? Math.floor(machineMemory() / 2), 1, Number.MAX_SAFE_INTEGER),
  };
}

/** What this process may use: in a container, less than the machine has. */
function machineMemory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}

function wholeNumber(name: string, value: unknown, low: number, high: number): number {
  if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return value as number;
  throw new OptionError(
    name,
    `${JSON.stringify(value) ?? 'nothing'} is not a whole number from ${low} to ${high}`,
    `Set \`${name}\` to one`,
  );
}
