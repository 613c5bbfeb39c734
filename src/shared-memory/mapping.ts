import { createRequire } from 'node:module';

const [PROT_READ, PROT_WRITE] = [1, 2];
const [MAP_SHARED, MAP_FIXED] = [0x01, 0x10];
const MADV_HUGEPAGE = 14;
const MFD_CLOEXEC = 1;
const [LOCK_EX, LOCK_NB] = [2, 4];

/** Set to 1: the system is asked for nothing. Batches are copied, each process keeps its own cases, pages are as they come. */
export const NO_MAP = 'VOXFEED_NO_MAP';

/** Functions of the C library that Node does not have. */
interface System {
  mmap(place: Uint8Array, bytes: number, protection: number, flags: number, fd: number, offset: number): unknown;
  madvise(place: Uint8Array, bytes: number, advice: number): number;
  memfd_create(name: string, flags: number): number;
  flock(fd: number, operation: number): number;
}

let system: (System & { address(of: unknown): bigint }) | null = null;

/** @throws Error if koffi is missing, an optional dependency */
function load(): NonNullable<typeof system> {
  if (system !== null) return system;
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  // Of the process itself: the C library's name differs from system to system.
  const library = koffi.load(null);
  system = {
    address: koffi.address as (of: unknown) => bigint,
    mmap: library.func('void *mmap(void *, size_t, int, int, int, int64_t)'),
    madvise: library.func('int madvise(void *, size_t, int)'),
    memfd_create: library.func('int memfd_create(const char *, unsigned int)'),
    flock: library.func('int flock(int, int)'),
  };
  return system;
}

/** Why no file can be put under a memory in this process; null: one can. */
export function whyNoMapping(): string | null {
  if (process.env[NO_MAP] === '1') return `${NO_MAP} is set`;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))
    return `memory is mapped on 64-bit Linux only, this is ${process.platform} on ${process.arch}`;
  try {
    load();
    return null;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}

/** Of less, the pages that are at work are known to the processor anyway, and loading koffi takes longer than is gained. */
const MANY_BYTES = 128 * 1024 * 1024;

/**
 * Asks for pages of 2 MiB under a large memory. Rows of a volume lie pages apart, and a processor knows where some thousand pages are:
 * with 4 KiB it has to look up most rows of a patch. Where Linux is set to `always` it does this anyway, where to `never` nothing changes.
 * To be called before anything is written there.
 */
export function preferLargePages({ buffer }: WebAssembly.Memory): void {
  if (buffer.byteLength < MANY_BYTES || whyNoMapping() !== null) return;
  load().madvise(new Uint8Array(buffer), buffer.byteLength, MADV_HUGEPAGE);
}

/** Puts a file under a part of a memory, both from their page's start. @throws Error if the system refuses */
export function mapFixed(place: Uint8Array<SharedArrayBuffer>, fd: number): void {
  const { address, mmap } = load();
  const wanted = address(place);
  if (address(mmap(place, place.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0)) !== wanted)
    throw new Error('the system refused to map the memory');
}

/** The descriptor of an empty file in memory, which is there as long as somebody has it open or mapped. @throws Error */
export function createMemfd(name: string): number {
  const fd = load().memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw new Error('the system refused a file in memory');
  return fd;
}

/** Whether the lock of an open file could be had; it is given back when the file is closed, however its process ends. */
export function tryLock(fd: number): boolean {
  return load().flock(fd, LOCK_EX | LOCK_NB) === 0;
}
