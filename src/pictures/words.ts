import type { Step } from '../augmentation/transform.ts';

/** The name, and what of its options is no number. */
export function titleOf({ transform, probability: _, ...options }: Step): string {
  const set = Object.entries(options).flatMap(([name, value]) => (value === true ? [name] : typeof value === 'string' ? [value] : []));
  const words = transform.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return set.length > 0 ? `${words} (${set.join(', ')})` : words;
}

/** What was drawn, in short: numbers of the first channel, angles in degrees. */
export function describeParameters(parameters: unknown): string {
  const show = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));
  const list = (value: unknown): string => {
    if (typeof value === 'number') return show(value);
    if (!Array.isArray(value)) return value !== null && typeof value === 'object' ? describeParameters(value) : String(value);
    const channel = value.find((entry) => entry !== null);
    return Array.isArray(channel)
      ? list(channel)
      : value
          .filter((entry) => entry !== null)
          .map(list)
          .join(' ');
  };
  return Object.entries(parameters as object)
    .filter(
      ([name, value]) =>
        name !== 'seed' && (name !== 'angles' || value.some(Boolean)) && (name !== 'scales' || value.some((one: unknown) => one !== 1)),
    )
    .map(([name, value]) =>
      name === 'angles'
        ? `${value
            .map((angle: number) => (angle * 180) / Math.PI)
            .map(Math.round)
            .join(' ')} degrees`
        : `${name} ${list(value)}`,
    )
    .join(', ');
}
