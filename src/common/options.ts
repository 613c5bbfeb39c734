import * as v from 'valibot';
import { OptionError } from './errors.ts';

/**
 * One option of a function, a step or a command: all that is known of it, in one place. Types, the refusal of unknown names, checks,
 * defaults, command-line flags, `--help` and the reference page come from here.
 */
export interface Option {
  /** What it may be, see `schemas.ts`. A refusal says what is wrong, and what to do. */
  readonly schema: v.GenericSchema;
  /** What it is where it is left out. */
  readonly default?: unknown;
  /** What leaving it out means, in words, where that depends on something. */
  readonly otherwise?: string;
  /** One or two sentences, for `--help` and the reference page. */
  readonly help: string;
  /** On the command line: '--seed N'. Without, the option is for programs only. */
  readonly flag?: string;
  /** Makes a value out of the flag's text. What it cannot read it returns as it is: the schema refuses it. Default: the text. */
  readonly read?: (text: string) => unknown;
  /** What the flag's text may be, in words, where `read` makes something else of it: "a size in GiB, 0 or more". */
  readonly typed?: string;
  /** It cannot be left out. */
  readonly required?: true;
}

/** Options by name. A table is written `as const satisfies OptionTable`, and its entries have doc comments, which types keep. */
export type OptionTable = Readonly<Record<string, Option>>;

type Input<O extends Option> = v.InferInput<O['schema']>;
type Output<O extends Option> = v.InferOutput<O['schema']>;

type Inputs<T extends OptionTable> = { -readonly [K in keyof T]: Input<T[K]> };
type RequiredName<T extends OptionTable> = { [K in keyof T]: T[K] extends { readonly required: true } ? K : never }[keyof T];

/** What people give: every option may be left out that is not required. */
export type Given<T extends OptionTable> = Partial<Omit<Inputs<T>, RequiredName<T>>> & Pick<Inputs<T>, RequiredName<T>>;

/** What is left after `checkOptions`: options that are required or have a default are there, others may be undefined. */
export type Checked<T extends OptionTable> = {
  -readonly [K in keyof T]: T[K] extends { readonly default: infer D }
    ? Output<T[K]> | Widened<D>
    : Output<T[K]> | (T[K] extends { readonly required: true } ? never : undefined);
};

/** `false` as a default means a boolean: the schema says the rest. */
type Widened<D> = D extends null ? null : never;

/** Where options stand. */
export interface OptionsPath {
  /** What stands before their names in errors: 'validation.', 'augmentation[3].'. Default: nothing. */
  readonly path?: string;
  /** Names that are no options of the table and are let through. */
  readonly besides?: readonly string[];
  /** Whose options they are, where an error names one that does not exist: "'noise'". */
  readonly owner?: string;
}

/**
 * Checks options against their table and fills in defaults. Undefined is as good as left out.
 * @throws OptionError for an unknown name, a value that cannot be used or one that is missing, whose `where` begins with `path`
 */
export function checkOptions<T extends OptionTable>(
  table: T,
  given: object,
  { path = '', besides = [], owner }: OptionsPath = {},
): Checked<T> {
  refuseUnknown(given, [...besides, ...Object.keys(table)], path, owner);
  const values = given as Record<string, unknown>;
  const checked = Object.entries(table).map(([name, option]) => [
    name,
    values[name] === undefined && !option.required ? option.default : checkValue(option.schema, values[name], path + name),
  ]);
  return Object.fromEntries(checked) as Checked<T>;
}

/** @throws OptionError unless it is a plain object with no other than the known names. */
export function refuseUnknown(given: object, known: readonly string[], path = '', owner?: string): void {
  if (!isPlainObject(given))
    throw new OptionError(path.replace(/\.$/, '') || 'options', `${shown(given)} are no options`, 'Give an object with options by name');
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const what = owner === undefined ? 'there is no such option' : `${owner} has no such option`;
    const names = known.map((known) => `\`${known}\``).join(', ');
    throw new OptionError(path + name, what, `The options are ${names}: correct the name or leave it out`);
  }
}

/** Without the options that are undefined, so that defaults apply. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as typeof options;
}

/** @throws OptionError whose `where` is `where`, and the place within the value */
export function checkValue<S extends v.GenericSchema>(schema: S, value: unknown, where: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const { within, what, action } = describe(result.issues[0]);
  throw new OptionError(where + within, what, action ?? 'Correct it or leave it out');
}

/** What is first wrong with a value, and where within it (".cases[3].id"); null if nothing is. */
export function faultOf(schema: v.GenericSchema, value: unknown): { within: string; what: string } | null {
  const result = v.safeParse(schema, value, { abortEarly: true });
  return result.success ? null : describe(result.issues[0]);
}

function describe({ path, message }: v.BaseIssue<unknown>): { within: string; what: string; action: string | undefined } {
  const [what, action] = message.split('\n');
  const within = (path ?? []).map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return { within, what, action };
}

/** An object of names and values, as JSON has them: no list, no map, nothing of a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Of a value, in an error: nobody reads more. */
const MOST_SHOWN = 200;

/** A value as errors show it. */
export function shown(value: unknown): string {
  const whole = shownWhole(value);
  return whole.length <= MOST_SHOWN ? whole : `${whole.slice(0, MOST_SHOWN)}…`;
}

function shownWhole(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)) return `a ${value.constructor.name}`;
  try {
    return JSON.stringify(value) ?? 'nothing';
  } catch {
    return String(value);
  }
}
