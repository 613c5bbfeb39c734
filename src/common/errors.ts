import { describeSystemError } from './system-errors.ts';

/**
 * Everything voxfeed refuses, one class per cause. Each error says what is wrong, where (a file, an option, a case) and what
 * to do next, and has a stable `code`. Errors cross thread borders as plain fields (see `pack` and `unpack`), because the
 * structured clone algorithm keeps only `name`, `message` and `stack` of an error.
 */
export class VoxfeedError extends Error {
  static readonly code: string = 'VOXFEED';
  /** Stable, machine-readable cause, for example `VOXFEED_BAD_CASE`. */
  readonly code: string;
  /** The file, option or case concerned. */
  readonly where: string;
  /** What is wrong, in one clause. */
  readonly what: string;
  /** What the user can do about it. */
  readonly action: string;

  constructor(where: string, what: string, action: string, options?: ErrorOptions) {
    super(`${where}: ${what}. ${action}`, options);
    this.name = new.target.name;
    this.code = new.target.code;
    this.where = where;
    this.what = what;
    this.action = action;
  }
}

/** An option or argument that cannot be used. */
export class OptionError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_OPTION';
}

/** A raw data set that cannot be read as a whole: dataset.json, folders, missing files. */
export class DatasetError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_DATASET';
}

/** One case whose image or label cannot be used. */
export class CaseError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_CASE';
}

/** Several cases that cannot be used, or other things wrong with a data set; `errors` has one error each. */
export class CasesError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_CASES';
  readonly errors: VoxfeedError[];

  constructor(where: string, errors: VoxfeedError[]) {
    const shown = errors.slice(0, 20).map((error) => `\n  ${error.message}`);
    const more = errors.length > 20 ? `\n  and ${errors.length - 20} more` : '';
    const cases = errors.every((error) => !(error instanceof DatasetError));
    super(
      where,
      cases ? `${errors.length} cases cannot be used` : `${errors.length} things are wrong with it`,
      `Correct or remove them and run again; finished cases are kept:${shown.join('')}${more}`,
    );
    this.errors = errors;
  }
}

/** A plans file that cannot be read or followed. */
export class PlansError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_PLANS';
}

/** A preprocessed store that is missing, damaged, or was written for other options. */
export class StoreError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_STORE';
}

/** A file that cannot be read or written for a reason outside its contents: permissions, a full disk. */
export class FileError extends VoxfeedError {
  static override readonly code = 'VOXFEED_FILE';
}

/** The run does not fit into the memory it may use. */
export class MemoryError extends VoxfeedError {
  static override readonly code = 'VOXFEED_MEMORY';
}

/** A saved loader state that belongs to another configuration. */
export class StateError extends VoxfeedError {
  static override readonly code = 'VOXFEED_BAD_STATE';
}

/** One sample that failed twice: the run cannot go on without leaving it out. */
export class SampleError extends VoxfeedError {
  static override readonly code = 'VOXFEED_SAMPLE_FAILED';
}

/** Worker threads that cannot be kept alive. */
export class WorkerError extends VoxfeedError {
  static override readonly code = 'VOXFEED_WORKERS';
}

/** A batch or loader that was used after it was given back or closed. */
export class ClosedError extends VoxfeedError {
  static override readonly code = 'VOXFEED_CLOSED';
}

/** A GPU, or what it needs, that is missing, too small, or failed. */
export class GpuError extends VoxfeedError {
  static override readonly code = 'VOXFEED_GPU';
}

/** A checkpoint of a training that cannot be used. */
export class CheckpointError extends VoxfeedError {
  static override readonly code = 'VOXFEED_CHECKPOINT';
}

const CAUSES = [
  OptionError,
  DatasetError,
  CaseError,
  PlansError,
  StoreError,
  FileError,
  MemoryError,
  StateError,
  SampleError,
  WorkerError,
  ClosedError,
  GpuError,
  CheckpointError,
];

/** An error as plain data, for a message between threads. */
export interface PackedError {
  code: string;
  where: string;
  what: string;
  action: string;
  stack: string;
}

export function pack(error: unknown): PackedError {
  const stack = stackOf(error);
  if (error instanceof VoxfeedError) return { code: error.code, where: error.where, what: error.what, action: error.action, stack };
  return { code: '', where: '', what: error instanceof Error ? error.message : String(error), action: '', stack };
}

/** With those of its causes: where a user's own code threw. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\nCaused by: ${stackOf(error.cause)}`;
}

export function unpack(packed: PackedError): Error {
  const Cause = CAUSES.find((candidate) => candidate.code === packed.code);
  const error = Cause ? new Cause(packed.where, packed.what, packed.action) : new Error(packed.what);
  error.stack = packed.stack;
  return error;
}

/**
 * Turns an operating-system error on `path` into a FileError in words, with what to do; a VoxfeedError stays as it is, any other error
 * passes through.
 */
export function fileError(path: string, error: unknown): Error {
  if (error instanceof VoxfeedError) return error;
  const described = describeSystemError(error);
  if (described === null) return error instanceof Error ? error : new Error(String(error));
  return new FileError(path, `${described.what} (${described.code})`, described.action, { cause: error });
}
