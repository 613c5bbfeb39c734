import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OptionError, VoxfeedError } from '../../common/errors.ts';
import type { Axis } from '../../common/geometry.ts';
import { type Triple, voxels } from '../../common/geometry.ts';
import { checkValue, type OptionTable } from '../../common/options.ts';
import type { Draws } from '../../common/random.ts';
import { that } from '../../common/schemas.ts';
import type { PatchContext, StepOf, Transform } from '../transform.ts';

/** Of a URL. One letter and a colon are a drive of Windows. */
const SCHEME = /^[a-z][a-z\d+.-]+:/i;

const isPath = (value: unknown): boolean =>
  typeof value === 'string' && value !== '' && !value.includes('\0') && (value.startsWith('file:') || !SCHEME.test(value));

const OPTIONS = {
  /** A path, relative to the current folder, or a file: URL, of a module whose default export is a `CustomTransform`. */
  module: {
    schema: that<string>('the path of a module', isPath, 'Give the path of a file, or a file: URL: code comes from nowhere else'),
    required: true,
    help: 'path of a module that exports a transform by default',
  },
  /** Plain data for the module. Default {}. */
  options: {
    schema: that<unknown>('what JSON keeps', (value) => isPlain(value), 'Give numbers, texts, true, false, null, lists and plain objects'),
    default: {},
    help: 'plain data for the module',
  },
} as const satisfies OptionTable;

/** A transform of the user's own, in a module of its own, which each thread imports. */
export interface CustomStep extends StepOf<'custom', typeof OPTIONS> {}

/** One sample as a user's transform sees it: views on the shared memory, to be changed in place. */
export interface CustomSample {
  /** One view a channel, float32 [z, y, x]. */
  readonly image: readonly Float32Array[];
  /** Labels, int16 [z, y, x]; -1 is outside. */
  readonly target: Int16Array;
  /** [z, y, x]; a 2D patch has 1 along axis 0. */
  readonly shape: Readonly<Triple>;
  /** The axes the patch has: all three, or [1, 2] for a 2D patch. */
  readonly axes: readonly Axis[];
  /** Axes that are in mirrored order already although the mirror step comes later: for transforms that depend on directions. */
  readonly mirrored: readonly Axis[];
}

/** What a user's module exports by default. */
export interface CustomTransform<P = unknown, O = unknown> {
  /**
   * Draws what is random, on the main thread: plain data that JSON keeps, or null where nothing is to be done. All randomness must come
   * from `draws`, or batches cannot be made again. Without it the parameters are {}.
   */
  draw?(draws: Draws, context: PatchContext, options: O): P | null;
  /**
   * Changes the sample, in a worker. The same parameters must give the same voxels, and none that is NaN or infinite: a network would
   * learn nothing from then on. Not asynchronous.
   */
  apply(sample: CustomSample, parameters: P, options: O): void;
}

const loaded = new Map<string, CustomTransform>();

/**
 * Imports a user's module into this thread, once. Steps that name it can be checked before, but neither drawn nor applied.
 * @throws OptionError where it cannot be imported or is no transform.
 */
export async function loadCustom(module: string): Promise<void> {
  if (loaded.has(module)) return;
  checkValue(OPTIONS.module.schema, module, name(module));
  const url = module.startsWith('file:') ? module : pathToFileURL(resolve(module)).href;
  let transform: Partial<CustomTransform> | undefined;
  try {
    transform = (await import(/* @vite-ignore */ url)).default;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OptionError(name(module), `it cannot be imported: ${why}`, 'Correct the path, or the module', { cause: error });
  }
  if (typeof transform?.apply !== 'function')
    throw new OptionError(name(module), 'its default export has no function `apply`', 'Export { draw, apply } by default');
  if (transform.draw !== undefined && typeof transform.draw !== 'function')
    throw new OptionError(name(module), '`draw` of its default export is no function', 'Make it one, or leave it out');
  loaded.set(module, transform as CustomTransform);
}

export const custom: Transform<typeof OPTIONS, { drawn: unknown }> = {
  purpose: 28,
  options: OPTIONS,

  makesForeground: () => true,

  draw({ module, options }, context, draws) {
    const transform = use(module);
    if (!transform.draw) return { drawn: {} };
    const drawn = called(module, 'draw', () => transform.draw?.(draws, context, options));
    if (drawn === null) return null;
    if (!isPlain(drawn))
      throw new OptionError(
        name(module),
        '`draw` returned what JSON does not keep',
        'Return numbers, texts, lists and plain objects, or null',
      );
    // As it will be when it is read again: a 0 without its sign, nothing shared with the module.
    return { drawn: JSON.parse(JSON.stringify(drawn)) };
  },

  apply(sample, { drawn }, { module, options }, { buffer }) {
    const { shape, axes, mirrored } = sample;
    const count = voxels(shape);
    const image = Array.from({ length: sample.channels }, (_, c) => new Float32Array(buffer, sample.data + c * count * 4, count));
    const target = new Int16Array(buffer, sample.target, count);
    const result: unknown = called(module, 'apply', () => use(module).apply({ image, target, shape, axes, mirrored }, drawn, options));
    if (result instanceof Promise)
      throw new OptionError(name(module), '`apply` is asynchronous', 'Do the work before it returns: nobody waits for a promise');
    const spoilt = image.findIndex((channel) => !hasFiniteVoxels(channel));
    if (spoilt >= 0)
      throw new OptionError(
        name(module),
        `\`apply\` left NaN or infinity in channel ${spoilt}`,
        'Look for a division by 0 or a root of a negative number',
      );
    sample.hasOutside ||= target.includes(-1);
  },
};

function name(module: string): string {
  return `custom transform ${module}`;
}

/** What a function of the user's returns; what it throws says whose it is. */
function called<T>(module: string, which: 'draw' | 'apply', call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof VoxfeedError) throw error;
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new OptionError(name(module), `\`${which}\` threw ${why}`, 'Correct the module', { cause: error });
  }
}

/** Whether all voxels are finite: 0 times any other is NaN, and stays in the sum. */
function hasFiniteVoxels(voxels: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < voxels.length; i++) sum += voxels[i] * 0;
  return sum === 0;
}

function use(module: string): CustomTransform {
  const transform = loaded.get(module);
  if (transform) return transform;
  throw new OptionError(name(module), 'it has not been imported into this thread', 'Await `loadCustom` first');
}

function isPlain(value: unknown, around: readonly unknown[] = []): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || around.includes(value)) return false;
  const within = [...around, value];
  if (Array.isArray(value)) return Array.from(value).every((entry) => isPlain(entry, within));
  const prototype = Object.getPrototypeOf(value);
  return (prototype === null || prototype === Object.prototype) && Object.values(value).every((entry) => isPlain(entry, within));
}
