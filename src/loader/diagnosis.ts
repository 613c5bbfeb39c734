import { readNumber } from '../common/flag-readers.ts';
import type { Given, OptionTable } from '../common/options.ts';
import { that } from '../common/schemas.ts';
import type { ArrayFormat } from '../store/file-names.ts';
import type { Stages } from './stage-metrics.ts';

export const DIAGNOSE_OPTIONS = {
  /** How long to measure. */
  seconds: {
    schema: that<number>(
      'a number of seconds from 0.1 to 3600',
      (value) => Number.isFinite(value) && (value as number) >= 0.1 && (value as number) <= 3600,
    ),
    default: 5,
    flag: '--seconds N',
    read: readNumber,
    help: 'how long to measure',
  },
  /**
   * Be the consumer: take batches of the training stream, which nobody else gets then, and keep each for so many milliseconds. Default: watch
   * whoever takes them.
   */
  consumerMs: {
    // No training step takes longer, and timers end at 25 days.
    schema: that<number>(
      'a number of milliseconds from 0 to 3600000, an hour',
      (value) => Number.isFinite(value) && (value as number) >= 0 && (value as number) <= 3_600_000,
    ),
    otherwise: 'whoever takes batches is watched',
    flag: '--consumer-ms T',
    read: readNumber,
    help: 'be the consumer: take batches, and keep each for so many milliseconds',
  },
} as const satisfies OptionTable;

export interface DiagnoseOptions extends Given<typeof DIAGNOSE_OPTIONS> {}

/** Stages of workers. */
export type WorkerStage = Exclude<keyof Stages, 'plan' | 'dispatch'>;

/** What was measured of a stream for some seconds. Parts are from 0 to 1. */
export interface Measurements {
  seconds: number;
  batches: number;
  samples: number;
  /** The part of the time in which somebody waited for a batch. */
  waitFraction: number;
  /** Of that, the part in which cases of the batch that came next were being copied to the local cache. */
  copying: number;
  /** What the consumer takes for a batch, in milliseconds, without waiting; 0 where one was watched that took none. */
  consumerMs: number;
  workers: number;
  /** The part of the workers' time that went into samples; `stages` and `transforms` are parts of that, and so is `blocked`. */
  busy: number;
  stages: Record<WorkerStage, number>;
  transforms: Record<string, number>;
  /** The part of the busy time in which workers did not compute: they waited for a disk, or for a core. */
  blocked: number;
  /** The part in which they waited for a core, where the system tells. */
  queued: number | null;
  /** The part of its time that the thread of the loader was busy, and what planning and handing out were of all its time. */
  mainThread: { busy: number; scheduling: number };
  /** Cores that this process may use, and how many of them nobody used. */
  cores: { granted: number; free: number };
  ring: {
    batches: number;
    /** As many as keep all workers busy. */
    wanted: number;
    /** Whether an option says how many; else memory does where there are fewer. */
    given: boolean;
    /** Batches in consumers' hands, and batches that nobody fills or holds: means over the time in which somebody waited. */
    held: number;
    free: number;
    bytesPerBatch: number;
  };
  /** Cases that stay in memory. */
  resident: {
    /** Those that have a place, and those of them that have been read so far. */
    places: number;
    loaded: number;
    placesBytes: number;
    /** All that are drawn, and what the others would take. */
    cases: number;
    missingBytes: number;
    /** What keeps the others out: `cacheBytes` as it was given, its default, or the limit of memory. */
    limitedBy: 'option' | 'default' | 'memory' | null;
  };
  memory: {
    takenBytes: number;
    limitBytes: number;
    /** Who sets the limit: `maxMemoryBytes`, a container or job that grants less than the machine has, or the machine. */
    limitedBy: 'option' | 'container' | 'machine';
    /** What another worker takes. */
    bytesPerWorker: number;
  };
  format: ArrayFormat;
}

/**
 * What keeps a stream from being faster: the consumer (the loader is ahead), cases that come to the local cache, the consumer because it holds
 * batches, a ring that is too small, too little memory, a disk, decompression, reading that no disk is to blame for, augmentation, the loader's thread, too few
 * workers, or cores that others use. 'nobody': no batch was asked for. 'unknown': no worker finished a sample meanwhile, which is all that tells.
 */
export type Bound =
  | 'nobody'
  | 'unknown'
  | 'consumer'
  | 'copying'
  | 'held batches'
  | 'ring'
  | 'memory'
  | 'disk'
  | 'decoding'
  | 'reading'
  | 'augmentation'
  | 'main thread'
  | 'workers'
  | 'cores';

/** Something to change. */
export interface Remedy {
  change: string;
  brings: string;
  costs: string;
}

/** What bounds a stream, why, and what to do about it: best first. */
export interface Diagnosis {
  bound: Bound;
  /** The transform that is to blame, by its name in `metrics().transforms`; null where none is. */
  transform: string | null;
  /** A sentence or two. Options are named in backticks. */
  why: string;
  remedies: Remedy[];
  measured: Measurements;
}

/** Waiting less than this is no waiting. */
const AHEAD = 0.05;
/** Workers that are busy for so much of the time have enough to do. */
const ENOUGH_TO_DO = 0.75;
/** What takes so much of the workers' time is what bounds them. */
export const MOST = 0.4;
/** A consumer has one batch at a time in its hands; so many on average are held. */
const HELD = 1.5;
const FREE_CORE = 0.7;
const BUSY_THREAD = 0.7;

/** What bounds the stream, by what was measured alone. */
export function findBound(measured: Measurements): { bound: Bound; transform: string | null } {
  const { seconds, batches, waitFraction, consumerMs, workers, busy, stages, transforms, mainThread, cores, ring, resident } = measured;
  const only = (bound: Bound): { bound: Bound; transform: null } => ({ bound, transform: null });
  if (batches === 0 && waitFraction === 0) return only(consumerMs > 0 ? 'consumer' : 'nobody');
  // Of a step that is longer than all that was measured, only its beginning or its end was seen.
  if (waitFraction < AHEAD || (batches > 0 && consumerMs > 1000 * seconds)) return only('consumer');
  if (measured.copying >= waitFraction / 2) return only('copying');
  if (busy < ENOUGH_TO_DO) {
    // Workers have no room to write to.
    if (ring.free < 0.5 && ring.held >= HELD && ring.held >= ring.batches / 2) return only('held batches');
    if (ring.free < 0.5 && ring.batches < ring.wanted) return only(ring.given ? 'ring' : 'memory');
    if (mainThread.busy >= BUSY_THREAD) return only('main thread');
  }
  // A sample is counted when it is finished: of one that takes longer than was measured, nothing is known.
  if (busy === 0) return only('unknown');
  if (stages.read + stages.decode >= MOST && resident.limitedBy === 'memory') return only('memory');
  if (diskPart(measured) >= MOST) return only('disk');
  if (stages.decode >= MOST) return only('decoding');
  const slowest = slowestTransform(transforms, (name) => name.startsWith('custom'));
  if (slowest !== null && transforms[slowest] >= MOST) return { bound: 'augmentation', transform: slowest };
  if (cores.free >= FREE_CORE && workers < cores.granted) return only('workers');
  if (contention(measured) >= MOST) return only('cores');
  if (busy < ENOUGH_TO_DO) {
    if (idleForRoom(measured)) return only('ring');
    if (cores.free < FREE_CORE) return only('cores');
  }
  if (stages.read >= MOST) return only('reading');
  return { bound: 'augmentation', transform: slowestTransform(transforms) };
}

/**
 * Whether workers that are idle have no room to write to. In a ring that is large enough and whose batches nobody holds, that is so only
 * while the consumer does not wait: who asks all the time never leaves it full.
 */
function idleForRoom({ busy, waitFraction, ring }: Measurements): boolean {
  return ring.batches < ring.wanted || ring.held >= HELD || 1 - waitFraction >= (1 - busy) / 2;
}

/**
 * The part of the busy time that workers waited for a core. Where the system does not tell: at least what they did not compute in stages
 * that read nothing.
 */
export function contention({ blocked, queued, stages }: Measurements): number {
  if (queued !== null) return Math.min(blocked, queued);
  const computing = 1 - stages.read - stages.decode;
  return computing <= 0 ? 0 : Math.max(0, Math.min(1, (blocked - stages.read - stages.decode) / computing));
}

/** The part of the busy time that workers waited for a disk: what they did not compute while they read, and did not wait for a core. */
export function diskPart(measured: Measurements): number {
  const { blocked, queued, stages } = measured;
  const waitedForCores = queued ?? contention(measured) * (stages.read + stages.decode);
  return Math.max(0, Math.min(stages.read, blocked, blocked - waitedForCores));
}

/** The one that took most; null if none took any. */
export function slowestTransform(transforms: Record<string, number>, wanted: (name: string) => boolean = () => true): string | null {
  const [first] = Object.entries(transforms)
    .filter(([name, part]) => wanted(name) && part > 0)
    .toSorted(([, a], [, b]) => b - a);
  return first?.[0] ?? null;
}
