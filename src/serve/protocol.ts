import type { PackedError } from '../common/errors.ts';

import type { LoaderState, Positions } from '../loader/options/state.ts';
import type { MemoryReport } from '../shared-memory/layout.ts';

/** The version of the protocol, see docs/serve.md. It changes when an older peer could not go on. */
export const PROTOCOL = 1;

/** The first request: what to stream. */
export interface OpenRequest {
  op: 'open';
  protocol: number;
  /** Folder of a preprocessed data set. */
  store: string;
  /** Of `PatchLoader.create`, but for the store. */
  options?: Record<string, unknown>;
  /** Of an earlier loader: to continue. */
  state?: LoaderState;
  /** The batches that the streams begin with, in place of those of the state. */
  start?: Partial<Positions>;
  /** Batches that the memory has room for where they are copied, of each stream. Default 3 each. */
  slots?: Partial<Positions>;
  /** Whether the memory is a memfd that may be mapped. */
  map?: boolean;
}

/** What may be asked once a loader is open. Those with an `id` are answered by a message with the same. */
export type Request =
  | OpenRequest
  | { op: 'release'; slot: number }
  | { op: 'skip'; stream: number; batch: number }
  | { op: 'state'; id: number; at?: Partial<Positions> }
  | { op: 'metrics'; id: number }
  | { op: 'close' };

/** A part of a batch: where its numbers are, in bytes from the start of the batch. C order. */
export interface Part {
  dtype: 'float32' | 'int16' | 'bool';
  shape: number[];
  offset: number;
}

/** The answer to `open`. */
export interface Ready {
  protocol: number;
  /** Of voxfeed. */
  version: string;
  /** Why batches are copied into the memory; null: they are made there. */
  copied: string | null;
  /** Of the memory, and of one slot: slot n begins at n * slotBytes. */
  bytes: number;
  slotBytes: number;
  /** What batches may look like: one kind for training and one for validation, or more where configurations are mixed. */
  configurations: { config: string; data: Part; targets: Part[] }[];
  /** Training, then validation if there is one. */
  streams: { name: 'training' | 'validation'; slots: number; nextBatch: number; epochLength: number }[];
  memory: MemoryReport;
  state: LoaderState;
}

/** A batch in its slot, until the slot is released. */
export interface Pushed {
  stream: number;
  slot: number;
  /** A position in `Ready.configurations`. */
  configuration: number;
  index: number;
  epoch: number;
  keys: string[];
  /** Names for `voxfeed replay`, see `SlotPlan.sample`. */
  samples: number[];
  foreground: boolean[];
}

/** What this side says. `failed` without a stream: there is no loader. */
export type Message =
  | { ready: Ready }
  | { batch: Pushed }
  | { failed: { stream?: number; error: PackedError } }
  | { warning: { name: string; message: string } }
  | { id: number; state?: LoaderState; metrics?: unknown; error?: PackedError };
