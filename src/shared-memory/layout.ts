import { type Triple, voxels } from '../dataset/geometry.ts';
import { MemoryError } from '../errors.ts';
import { KERNEL_BYTES } from '../kernels/kernels.ts';

/** What the sizes of the shared memory follow from. */
export interface LayoutOptions {
  /** Batches in the ring: being filled, ready, and held by the consumer, together. */
  ring: number;
  batchSize: number;
  channels: number;
  patch: Triple;
  /** Scratch regions: as many as tasks can be under way at once. */
  scratches: number;
  /** Bytes of one scratch region. */
  scratchBytes: number;
}

/** Where everything lies in the one shared memory of a loader, in bytes from its start. Plain data: workers get a copy. */
export interface Layout extends LayoutOptions {
  headerOffset: number;
  scratchOffset: number;
  ringOffset: number;
  /** From one batch of the ring to the next. */
  entryBytes: number;
  /** From the start of a batch to its targets. */
  targetOffset: number;
  /** Of one sample: float32 image and int16 target. */
  sampleDataBytes: number;
  sampleTargetBytes: number;
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
  state: 0,
  /** The low 32 bits of the index of the batch in it: tells one lease of an entry from the next. */
  batch: 1,
  words: 16,
} as const;

/** One record per sample of a batch. */
export const SLOT = {
  state: 0,
  /** 1 if the written patch holds any foreground, else 0. */
  foreground: 1,
  words: 16,
} as const;

const CACHE_LINE = 64;
const WASM_PAGE = 64 * 1024;
/** A WebAssembly memory with 32-bit addresses ends here. */
const ADDRESSABLE = 4 * 1024 ** 3;

const align = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

export function computeLayout(options: LayoutOptions): Layout {
  const { ring, batchSize, channels, patch, scratches, scratchBytes } = options;
  const headerOffset = KERNEL_BYTES;
  const headerBytes = 4 * (HEADER.words + ring * (ENTRY.words + batchSize * SLOT.words));
  const scratchOffset = align(headerOffset + headerBytes, WASM_PAGE);
  const ringOffset = align(scratchOffset + scratches * align(scratchBytes, CACHE_LINE), WASM_PAGE);
  const sampleDataBytes = 4 * channels * voxels(patch);
  const sampleTargetBytes = 2 * voxels(patch);
  const targetOffset = align(batchSize * sampleDataBytes, CACHE_LINE);
  const entryBytes = align(targetOffset + batchSize * sampleTargetBytes, CACHE_LINE);
  const totalBytes = align(ringOffset + ring * entryBytes, WASM_PAGE);
  return {
    ...options,
    scratchBytes: align(scratchBytes, CACHE_LINE),
    headerOffset,
    scratchOffset,
    ringOffset,
    entryBytes,
    targetOffset,
    sampleDataBytes,
    sampleTargetBytes,
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
    { name: 'class locations', bytes: cacheBytes, meaning: 'bound of the cache on the main thread' },
  ];
  return { parts, totalBytes: layout.totalBytes + cacheBytes, limitBytes };
}

/** @throws MemoryError with the table of what was asked for. */
export function allocate(layout: Layout, report: MemoryReport): WebAssembly.Memory {
  const table = report.parts.map(({ name, bytes, meaning }) => `${name} ${showBytes(bytes)} (${meaning})`).join(', ');
  const smaller = 'Use a smaller patch or batch, fewer workers, or a smaller `ring`';
  if (report.totalBytes > report.limitBytes) {
    throw new MemoryError(
      'maxMemoryBytes',
      `the loader needs ${showBytes(report.totalBytes)} (${table}), the limit is ${showBytes(report.limitBytes)}`,
      `${smaller}, or raise \`maxMemoryBytes\``,
    );
  }
  if (layout.totalBytes > ADDRESSABLE) {
    throw new MemoryError(
      'ring',
      `the shared memory needs ${showBytes(layout.totalBytes)} (${table}), one can have ${showBytes(ADDRESSABLE)}`,
      smaller,
    );
  }
  const pages = layout.totalBytes / WASM_PAGE;
  try {
    // Fixed in size: views on a memory that may grow are many times slower.
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new MemoryError('ring', `the system refused ${showBytes(layout.totalBytes)} (${table})`, smaller, { cause: error });
  }
}

export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}
