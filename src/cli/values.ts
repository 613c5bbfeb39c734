/** The command line itself is wrong: the usage is printed with the message. */
export class UsageError extends Error {}

export type Values = Record<string, string | boolean | undefined>;

export function text(values: Values, name: string): string | undefined {
  return values[name] as string | undefined;
}

/** A number, or undefined if the option was not given. What it may be is checked where it is used. */
export function number(values: Values, name: string): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const value = given.trim() === '' ? Number.NaN : Number(given);
  if (Number.isNaN(value)) throw new UsageError(`--${name} ${given} is not a number`);
  return value;
}
