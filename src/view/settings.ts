import { customModules } from '../augmentation/options.ts';
import { completeSteps } from '../augmentation/steps.ts';
import type { Step } from '../augmentation/transform.ts';
import { OptionError } from '../common/errors.ts';
import { isPlainObject, refuseUnknown } from '../common/options.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import type { Settings } from './facts.ts';

/** A loader's options but for the store, which is known: plain data. */
export type StreamOptions = Omit<LoaderOptions, 'store'>;

const NAMES = ['seed', 'fold', 'config', 'oversample', 'augmentation'] as const satisfies readonly (keyof Settings)[];

/**
 * The command line's options with what the page sets. What values may be, the loader says itself.
 * @param text JSON, as the page sends it; null: nothing is set
 * @throws OptionError for what is no setting, and for code that the command line does not name
 */
export function withSettings(base: StreamOptions, text: string | null): StreamOptions {
  if (text === null) return base;
  const settings = parse(text);
  refuseUnknown(settings, NAMES, 'options.');
  const { augmentation } = settings as Settings;
  if (Array.isArray(augmentation)) {
    // Only of steps that are right it can be said which modules they name.
    completeSteps(augmentation as readonly Step[]);
    const known = Array.isArray(base.augmentation) ? customModules(base.augmentation as readonly Step[]) : [];
    const stranger = customModules(augmentation as readonly Step[]).find((module) => !known.includes(module));
    if (stranger !== undefined)
      throw new OptionError(
        'augmentation',
        `it names the module ${stranger}, and pages run no code`,
        'Name it in --augmentation FILE.json',
      );
  }
  return { ...base, ...settings };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isPlainObject(value)) return value;
  } catch {
    // It is said below.
  }
  throw new OptionError('options', 'they are no object in JSON', 'Give { "seed": 7 }');
}

/** A whole number of a query. @throws OptionError */
export function numberOf(query: URLSearchParams, name: string, otherwise: number, most = Number.MAX_SAFE_INTEGER): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw new OptionError(name, `${JSON.stringify(text)} is not a whole number from 0 to ${most}`, 'Give one');
}
