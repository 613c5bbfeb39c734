import { type Triple, voxels } from '../common/geometry.ts';
import { KERNEL_BYTES } from '../kernels/kernels.ts';
import { TARGET_BYTES, type TargetType } from './target-array.ts';

/** What a batch of one configuration holds. */
export interface EntryOptions {
  /** The configuration's name: what batches are tagged with. */
  config: string;
  /** Samples that are made here: in a data-parallel training this rank's part. */
  batchSize: number;
  /** [z, y, x], or [y, x] for 2D patches. */
  patchSize: readonly number[];
  /** The patch in three axes. */
  patch: Triple;
  /** The shape of each target, the patch's own first, and the channels of all of them. */
  targets: readonly Triple[];
  targetChannels: number;
  targetType: TargetType;
}

/** Where a batch of one configuration has its parts, in bytes from the start of its entry. */
export interface EntryLayout extends EntryOptions {
  targetOffsets: number[];
  /** Of one sample: float32 image, each target, and all of it. */
  sampleDataBytes: number;
  sampleTargetBytes: number[];
  sampleBytes: number;
  entryBytes: number;
}

/** What the sizes of the shared memory follow from. */
export interface LayoutOptions {
  /** Batches in the ring of each stream: being filled, ready, and held by the consumer, together. */
  rings: readonly number[];
  channels: number;
  /** Channels that a cascade adds to those of the stored images. Default 0. */
  cascadeChannels?: number;
  /** Any entry can hold a batch of any of them. */
  configurations: readonly EntryOptions[];
  /** Scratch regions: as many as tasks can be under way at once. */
  scratches: number;
  /** Bytes of one scratch region. */
  scratchBytes: number;
  /** Bytes of a stored label: 1 or 2. */
  labelBytes: number;
  /** Bytes of each case that stays in memory, by case number; 0 for one that does not. */
  residentBytes: readonly number[];
  /** Whether the ranks of a machine keep them together, see `joinCases`. Default: each process keeps its own. */
  sharesCases?: boolean;
}

/** Where everything lies in the one shared memory of a loader, in bytes from its start. Plain data: workers get a copy. */
export interface Layout extends LayoutOptions {
  configurations: readonly EntryLayout[];
  headerOffset: number;
  scratchOffset: number;
  ringOffset: number;
  /** Where the states of the resident cases begin, and behind them the cases: on a page of its own, so that a file can lie under them. */
  casesOffset: number;
  /** Where each resident case lies; null for one that does not stay. */
  residentOffsets: (number | null)[];
  /** Entries of all rings. */
  entries: number;
  /** Samples of the largest batch. */
  slots: number;
  /** From one entry to the next: the largest batch. */
  entryBytes: number;
  totalBytes: number;
}

/** The header: 32-bit words that threads change with Atomics. Each record fills a cache line or shares none it fights over. */
export const HEADER = {
  /** One word a stream, which grows by one whenever a batch of its ring is given back; the scheduler sleeps on it. */
  releases: 0,
  words: 16,
} as const;

/** One record per batch of a ring. */
export const ENTRY = {
  /** What is happening to it, in the low bits, and with which batch: see `Ring`. */
  lease: 0,
  words: 16,
} as const;

/** One record per sample of a batch. */
export const SLOT = {
  state: 0,
  /** 1 if the written patch holds any foreground, else 0. */
  foreground: 1,
  /** A bit for each counted class that the written patch holds. */
  seen: 2,
  words: 16,
} as const;

/** One record per scratch region: what the thread that works there is at, see `PROGRESS`. */
export const TASK = { progress: 0, words: 16 } as const;

/** What stands before the states of the resident cases, and one record per case. */
export const CASES = {
  /** How many memories a file with them was ever mapped into. */
  joined: 0,
  words: 16,
} as const;
export const RESIDENT = { state: 0, words: 1 } as const;

const CACHE_LINE = 64;
export const WASM_PAGE = 64 * 1024;
/** A WebAssembly memory with 32-bit addresses ends here. */
export const ADDRESSABLE = 4 * 1024 ** 3;
export const MOST_PAGES = ADDRESSABLE / WASM_PAGE;

const align = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function computeLayout(options: LayoutOptions): Layout {
  const { rings, channels, cascadeChannels = 0, scratches, scratchBytes, residentBytes } = options;
  const configurations = options.configurations.map((entry) => entryLayout(entry, channels + cascadeChannels));
  const entries = sum(rings);
  const slots = Math.max(...configurations.map(({ batchSize }) => batchSize));
  const entryBytes = Math.max(...configurations.map((entry) => entry.entryBytes));
  const headerOffset = KERNEL_BYTES;
  const headerBytes = 4 * (HEADER.words + entries * (ENTRY.words + slots * SLOT.words) + scratches * TASK.words);
  const scratchOffset = align(headerOffset + headerBytes, WASM_PAGE);
  const ringOffset = align(scratchOffset + scratches * align(scratchBytes, CACHE_LINE), WASM_PAGE);
  const casesOffset = align(ringOffset + entries * entryBytes, WASM_PAGE);
  let end = casesOffset + casesHeadBytes(residentBytes.length);
  const residentOffsets = residentBytes.map((bytes) => {
    if (bytes === 0) return null;
    const offset = align(end, CACHE_LINE);
    end = offset + bytes;
    return offset;
  });
  return {
    ...options,
    configurations,
    scratchBytes: align(scratchBytes, CACHE_LINE),
    headerOffset,
    scratchOffset,
    ringOffset,
    casesOffset,
    residentOffsets,
    entries,
    slots,
    entryBytes,
    totalBytes: align(end, WASM_PAGE),
  };
}

/** Bytes of the states of so many resident cases. */
export function casesHeadBytes(cases: number): number {
  return 4 * (CASES.words + cases * RESIDENT.words);
}

function entryLayout(options: EntryOptions, channels: number): EntryLayout {
  const { batchSize, patch, targets, targetChannels, targetType } = options;
  const sampleDataBytes = 4 * channels * voxels(patch);
  const sampleTargetBytes = targets.map((shape) => TARGET_BYTES[targetType] * targetChannels * voxels(shape));
  let entryBytes = align(batchSize * sampleDataBytes, CACHE_LINE);
  const targetOffsets = sampleTargetBytes.map((bytes) => {
    const offset = entryBytes;
    entryBytes += align(batchSize * bytes, CACHE_LINE);
    return offset;
  });
  return {
    ...options,
    targetOffsets,
    sampleDataBytes,
    sampleTargetBytes,
    sampleBytes: sampleDataBytes + sum(sampleTargetBytes),
    entryBytes,
  };
}

/** What a loader takes, part by part, in bytes. */
export interface MemoryReport {
  parts: { name: string; bytes: number; meaning: string }[];
  totalBytes: number;
  /** What it may take, see `maxMemoryBytes`. */
  limitBytes: number;
}

/** The names of the streams' rings in the report, in the order of `LayoutOptions.rings`. */
const RING_NAMES = ['ring', 'validation ring'];

/** Sums everything up before anything is allocated. `cacheBytes` is the bound of what the main thread caches besides. */
export function reportMemory(layout: Layout, cacheBytes: number, limitBytes: number): MemoryReport {
  const { rings, configurations, scratches, scratchBytes, entryBytes, residentBytes } = layout;
  const sizes = [...new Set(configurations.map(({ batchSize }) => batchSize))].join(' or ');
  const parts = [
    ...rings.map((entries, stream) => ({
      name: RING_NAMES[stream],
      bytes: entries * entryBytes,
      meaning: `${entries} batches of ${sizes} samples`,
    })),
    { name: 'scratch', bytes: scratches * scratchBytes, meaning: `${scratches} regions, one per task under way` },
    { name: 'header', bytes: layout.scratchOffset, meaning: 'states of batches and samples, constants of the kernels' },
    {
      name: 'resident cases',
      bytes: sum(residentBytes),
      meaning: `${residentBytes.filter((bytes) => bytes > 0).length} cases kept whole${layout.sharesCases ? ' by all ranks of the machine together' : ''}, see \`cacheBytes\``,
    },
    { name: 'class locations', bytes: cacheBytes, meaning: 'bound of the cache on the main thread' },
  ];
  return { parts, totalBytes: layout.totalBytes + cacheBytes, limitBytes };
}
