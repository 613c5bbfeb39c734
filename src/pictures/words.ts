import type { Operation } from '../augmentation/pipeline.ts';
import type { Step } from '../augmentation/transform.ts';
import type { OneOfParameters, OneOfStep } from '../augmentation/transforms/one-of.ts';

/** The name, and what of its options is no number. */
export function titleOf({ transform, probability: _, ...options }: Step): string {
  const set = Object.entries(options).flatMap(([name, value]) => (value === true ? [name] : typeof value === 'string' ? [value] : []));
  const words = transform.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return set.length > 0 ? `${words} (${set.join(', ')})` : words;
}

/** What was drawn, in short: numbers of the first channel, angles in degrees, axes as letters. */
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
    .map(([name, value]) => {
      if (name === 'angles') return value.map((angle: number) => `${Math.round((angle * 180) / Math.PI)}°`).join(' ');
      // Array order, as people call it.
      if (name === 'axes') return value.map((axis: number) => 'zyx'[axis]).join(' ');
      return `${name} ${list(value)}`;
    })
    .join(', ');
}

/** One operation of a plan in words; of alternatives, the one that was chosen. @param steps of the pipeline */
export function describeOperation(steps: readonly Step[], { step, parameters }: Operation): { title: string; text: string } {
  const made = steps[step];
  if (made.transform !== 'oneOf') return { title: nameOf(made), text: describeParameters(parameters) };
  const { choice, parameters: drawn } = parameters as OneOfParameters;
  return { title: nameOf((made as OneOfStep).of[choice]), text: describeParameters(drawn) };
}

/** A transform's name in words. */
function nameOf(step: Step): string {
  const words = step.transform.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return 'invert' in step && step.invert === true ? `${words} (inverted)` : words;
}
