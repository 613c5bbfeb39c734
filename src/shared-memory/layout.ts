import { type Triple, voxels } from '../geometry.ts';
import { KERNEL_BYTES } from '../kernels/kernels.ts';

/** What the sizes of the shared memory follow from. */
export interface LayoutOptions {
  /** Batches in the ring: being filled, ready, and held by the consumer, together. */
  ring: number;
  batchSize: number;
  channels: number;
  /** Channels that a cascade adds to those of the stored images. Default 0. */
  cascadeChannels?: number;
  patch: Triple;
  /** The shape of each target, the patch's own first, and the channels of all of them. */
  targets: readonly Triple[];
  targetChannels: number;
  /** Scratch regions: as many as tasks can be under way at once. */
  scratches: number;
  /** Bytes of one scratch region. */
  scratchBytes: number;
  /** Bytes of a stored label: 1 or 2. */
  labelBytes: number;
  /** Bytes of each case that stays in memory: the first ones of the store. */
  residentBytes: readonly number[];
}

/** Where everything lies in the one shared memory of a loader, in bytes from its start. Plain data: workers get a copy. */
export interface Layout extends LayoutOptions {
  headerOffset: number;
  scratchOffset: number;
  ringOffset: number;
  /** Where each resident case lies. */
  residentOffsets: number[];
  /** From one batch of the ring to the next. */
  entryBytes: number;
  /** From the start of a batch to each of its targets. */
  targetOffsets: number[];
  /** Of one sample: float32 image, each int16 target, and all of it. */
  sampleDataBytes: number;
  sampleTargetBytes: number[];
  sampleBytes: number;
  totalBytes: number;
}

/** The header: 32-bit words that threads change with Atomics. Each record fills a cache line or shares none it fights over. */
export const HEADER = {
  /** Grows by one whenever a batch is given back; the scheduler sleeps on it. */
  releases: 0,
  words: 16,
} as const;

/** One record per batch of the ring. */
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

/** One record per resident case. */
export const RESIDENT = { state: 0, words: 1 } as const;

const CACHE_LINE = 64;
export const WASM_PAGE = 64 * 1024;
/** A WebAssembly memory with 32-bit addresses ends here. */
export const ADDRESSABLE = 4 * 1024 ** 3;

const align = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

export function computeLayout(options: LayoutOptions): Layout {
  const {
    ring,
    batchSize,
    channels,
    cascadeChannels = 0,
    patch,
    targets,
    targetChannels,
    scratches,
    scratchBytes,
    residentBytes,
  } = options;
  const headerOffset = KERNEL_BYTES;
  const headerBytes = 4 * (HEADER.words + ring * (ENTRY.words + batchSize * SLOT.words) + residentBytes.length * RESIDENT.words);
  const scratchOffset = align(headerOffset + headerBytes, WASM_PAGE);
  const ringOffset = align(scratchOffset + scratches * align(scratchBytes, CACHE_LINE), WASM_PAGE);
  const sampleDataBytes = 4 * (channels + cascadeChannels) * voxels(patch);
  const sampleTargetBytes = targets.map((shape) => 2 * targetChannels * voxels(shape));
  let entryBytes = align(batchSize * sampleDataBytes, CACHE_LINE);
  const targetOffsets = sampleTargetBytes.map((bytes) => {
    const offset = entryBytes;
    entryBytes += align(batchSize * bytes, CACHE_LINE);
    return offset;
  });
  let end = ringOffset + ring * entryBytes;
  const residentOffsets = residentBytes.map((bytes) => {
    const offset = align(end, CACHE_LINE);
    end = offset + bytes;
    return offset;
  });
  const totalBytes = align(end, WASM_PAGE);
  return {
    ...options,
    scratchBytes: align(scratchBytes, CACHE_LINE),
    headerOffset,
    scratchOffset,
    ringOffset,
    residentOffsets,
    entryBytes,
    targetOffsets,
    sampleDataBytes,
    sampleTargetBytes,
    sampleBytes: sampleTargetBytes.reduce((sum, bytes) => sum + bytes, sampleDataBytes),
    totalBytes,
  };
}

/** What a loader takes, part by part, in bytes. */
export interface MemoryReport {
  parts: { name: string; bytes: number; meaning: string }[];
  totalBytes: number;
  limitBytes: number;
}

/** Sums everything up before anything is allocated. `cacheBytes` is the bound of what the main thread caches besides. */
export function reportMemory(layout: Layout, cacheBytes: number, limitBytes: number): MemoryReport {
  const { ring, batchSize, scratches, scratchBytes, entryBytes } = layout;
  const parts = [
    { name: 'ring', bytes: ring * entryBytes, meaning: `${ring} batches of ${batchSize} samples` },
    { name: 'scratch', bytes: scratches * scratchBytes, meaning: `${scratches} regions, one per task under way` },
    { name: 'header', bytes: layout.scratchOffset, meaning: 'states of batches and samples, constants of the kernels' },
    {
      name: 'resident cases',
      bytes: layout.residentBytes.reduce((sum, bytes) => sum + bytes, 0),
      meaning: `${layout.residentBytes.length} cases kept whole, see \`cacheBytes\``,
    },
    { name: 'class locations', bytes: cacheBytes, meaning: 'bound of the cache on the main thread' },
  ];
  return { parts, totalBytes: layout.totalBytes + cacheBytes, limitBytes };
}
