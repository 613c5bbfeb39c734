import type { Axis, Triple } from '../common/geometry.ts';
import type { Checked, Given, OptionTable } from '../common/options.ts';
import type { Draws } from '../common/random.ts';
import type { Kernels } from '../kernels/kernels.ts';

/** What parameters may depend on, besides the options of their step. */
export interface PatchContext {
  /** Of the image, a cascade's included once it has them. */
  channels: number;
  /** The patch the network sees, [z, y, x]; a 2D patch has 1 along axis 0. */
  shape: Triple;
  /** The axes the patch has: all three, or [1, 2] for a 2D patch. */
  axes: readonly Axis[];
}

/** One entry of a pipeline, as people write it: plain data, so that it can be written down, compared and sent to workers. */
export interface Step {
  readonly transform: string;
  /** How often the step is made at all, 0 to 1. Default 1. */
  readonly probability?: number;
}

/** A step of the transform of that name and table. */
export type StepOf<N extends string, T extends OptionTable> = Step & { readonly transform: N } & Readonly<Given<T>>;

/** A step with nothing left open: what a pipeline has, and what transforms get (see `completeSteps`). */
export type CompleteStep<T extends OptionTable = Record<never, never>> = Readonly<Required<Step> & Checked<T>>;

/**
 * One kind of step. Drawing and applying are apart: parameters are drawn on the main thread, from the sample's own random numbers,
 * and travel in the slot plan; a worker applies them. Applying the same parameters to the same voxels gives the same bytes.
 */
export interface Transform<T extends OptionTable, P> {
  /** Which random numbers of the sample are this transform's, 0 to 63. Part of the stream: never reused, never changed. */
  readonly purpose: number;
  /** What steps may say, besides `STEP_OPTIONS`. */
  readonly options: T;
  /** The option with the steps that this one holds, if it holds any. */
  readonly holds?: keyof T & string;
  /**
   * Whether it gives the mirrored result for the mirrored patch, or draws places at which a mirror image is as likely: then a later
   * step can mirror before it, while the patch is read. Default false. Of a step that holds others, all of them must too.
   */
  readonly bearsMirroring?: boolean;
  /** Whether a step may put foreground where there was none, or take it away. Default: it does not. */
  makesForeground?(step: CompleteStep<T>): boolean;
  /** Whether there is nothing to see in a picture of it. Default false. */
  readonly invisible?: boolean;
  /** Plain data that JSON keeps as it is; null where the draw says that nothing is to be done. */
  draw(step: CompleteStep<T>, context: PatchContext, draws: Draws): P | null;
  /** Changes the sample in place. Synchronous, and without allocating more than a few small objects where speed matters. */
  apply(sample: Sample, parameters: P, step: CompleteStep<T>, workspace: Workspace): void;
  /** Bytes of `workspace.scratch` that applying needs. Default 0. */
  scratchBytes?(step: CompleteStep<T>, context: PatchContext): number;
}

/** One sample in the shared memory while a worker augments it. */
export interface Sample extends PatchContext {
  /** Where the image is: float32 [C, z, y, x], in bytes from the start of the memory. */
  readonly data: number;
  /** Where the labels are: int16 [z, y, x]; -1 is outside. */
  readonly target: number;
  /** A previous stage's labels: int16 [z, y, x], in the same places as `target`. Only in a cascade. */
  readonly previous?: number;
  /** Whether any label may be -1. */
  hasOutside: boolean;
  /**
   * Axes whose voxels are in mirrored order already although the mirror step comes later in the pipeline: mirroring costs nothing
   * while a patch is read. Whoever depends on the direction of an axis must count from its other end.
   */
  mirrored: readonly Axis[];
}

/** What a worker lends to a transform. */
export interface Workspace {
  readonly kernels: Kernels;
  readonly buffer: SharedArrayBuffer;
  /** A region nobody else uses, 64-byte aligned; its contents are left from earlier use. In bytes from the start of the memory. */
  readonly scratch: number;
}
