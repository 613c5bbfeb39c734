import type { LoaderOptions } from '../../src/index.ts';

/** What a loader is asked for, as JSON. */
export type Options = Omit<LoaderOptions, 'store'>;

/** One thing to measure, in a process of its own. `store` is a folder. */
export type Job =
  /** Batches as fast as they come, after some that are not timed: a second of warming up at least. */
  | { kind: 'stream'; store: string; options: Options; batches: number; warmUp: number }
  /** The same, by stage. */
  | { kind: 'stages'; store: string; options: Options; batches: number; warmUp: number }
  /** The first batches of a loader, from the first request on: of files that nothing has read yet. */
  | { kind: 'cold'; store: string; options: Options; batches: number }
  /** Workers that sleep `sampleMs` a sample in the place of making it: what is left is the main thread's work. */
  | { kind: 'main-thread'; store: string; options: Options; batches: number; warmUp: number; sampleMs: number }
  /** A consumer that takes `consumerMs` a batch, sleeping. */
  | { kind: 'consumer'; store: string; options: Options; batches: number; consumerMs: number }
  /** Opening a store. */
  | { kind: 'open'; store: string };
