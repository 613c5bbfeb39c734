import { OptionError } from '../common/errors.ts';
import { foregroundOf, type LabelClass } from '../raw/labels.ts';
import { type ForcedPart, Forcing } from './forcing.ts';
import type { Sampling } from './slot-plan.ts';
import type { Exposure } from './table.ts';
import { type Locatable, measureVisibility, type Visibility } from './visibility.ts';
import { WeightedChoice } from './weighted-choice.ts';

/** Samples keep a bit for each class whose exposure is counted. */
export const MOST_CLASSES = 32;
/** Parts that miss what is possible by this little are taken for rounding of what was measured. */
const SLACK = 0.005;

/**
 * In the order of the classes.
 * @param weights how often each case is drawn; null: all alike
 * @throws OptionError for parts that are none and classes that no drawn case has
 */
export function checkExposure(exposure: unknown, data: Locatable, weights: readonly number[] | null): Exposure {
  if (typeof exposure !== 'object' || exposure === null || Array.isArray(exposure) || Object.keys(exposure).length === 0)
    throw new OptionError(
      'exposure',
      `${JSON.stringify(exposure) ?? 'nothing'} names no class`,
      'Give the part of patches for each, as { tumour: 0.4 }',
    );
  const entries = Object.entries(exposure);
  if (entries.length > MOST_CLASSES)
    throw new OptionError('exposure', `it names ${entries.length} classes`, `Name at most ${MOST_CLASSES}`);
  for (const [name, part] of entries) {
    const classNumber = classNamed(data.classes, name, 'exposure');
    if (typeof part !== 'number' || !(part >= 0 && part <= 1))
      throw new OptionError(`exposure.${name}`, `${JSON.stringify(part)} is not a fraction`, 'Give a number from 0 to 1');
    if (!data.cases.some(({ locations }, i) => locations[classNumber] > 0 && (weights === null || weights[i] > 0)))
      throw new OptionError(
        `exposure.${name}`,
        weights === null ? 'no case has this class' : 'no case that is drawn from has this class',
        weights === null ? 'Leave it out' : 'Leave it out; `fold` and `caseWeights` say which cases are drawn from',
      );
  }
  return inOrder(data.classes, exposure as Exposure);
}

/** Numbers by class name, in the order of the classes: equal ones look alike. */
export function inOrder(classes: readonly LabelClass[], numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(classes.flatMap(({ name }) => (Object.hasOwn(numbers, name) ? [[name, numbers[name]]] : [])));
}

/** The position of a class that patches can be centred on. @throws OptionError naming `option` */
export function classNamed(classes: readonly LabelClass[], name: string, option: string): number {
  const foreground = foregroundOf(classes);
  const found = foreground.find((entry) => entry.name === name);
  if (found) return classes.indexOf(found);
  const known = foreground.map((entry) => entry.name);
  throw new OptionError(`${option}.${name}`, 'the data set has no such class', `Its classes are ${known.join(', ')}`);
}

/**
 * How slots are forced so that checked exposures come about. A patch that is forced onto one class may show others, and a random one
 * any: with f_d the part of slots forced onto class d, class c is in sum(f_d forced[d][c]) + (1 - sum(f_d)) random[c] of all patches, and
 * the f are those that make this each class's target.
 * @throws OptionError where there are no such f, saying why
 */
export function forcingFor(data: Locatable, options: Sampling, exposure: Exposure, drawn: readonly number[] | null): Forcing {
  const targets = Object.values(exposure);
  const parts = Object.keys(exposure).map((name): ForcedPart => {
    const classNumber = classNamed(data.classes, name, 'exposure');
    const weights = data.cases.map(({ locations }, i) => (locations[classNumber] > 0 ? (drawn?.[i] ?? 1) : 0));
    return { classNumber, part: 0, cases: new WeightedChoice(weights) };
  });
  const solved = forcedParts(Object.keys(exposure), targets, measureVisibility(data, options, parts));
  return new Forcing(
    options.seed,
    parts.map((entry, i) => ({ ...entry, part: solved[i] })),
  );
}

/** Solves for the parts of slots that are forced onto each class. @throws OptionError if none are possible */
export function forcedParts(names: readonly string[], targets: readonly number[], { random, forced }: Visibility): number[] {
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const fail = (what: string, action: string): never => {
    throw new OptionError('exposure', what, action);
  };
  const below = targets.findIndex((target, c) => target < Math.min(random[c], ...forced.map((row) => row[c])) - SLACK);
  if (below >= 0)
    fail(
      `${percent(targets[below])} of ${names[below]} is too little: random patches hold it in ${percent(random[below])}, and forcing takes none away`,
      'Raise it above that, leave it out, or take a smaller patch',
    );
  const gain = targets.map((_, c) => targets.map((__, d) => forced[d][c] - random[c]));
  const wanted = targets.map((target, c) => target - random[c]);
  const parts = solve(gain, wanted);
  if (parts === null)
    return fail(
      `the targets of ${names.join(', ')} cannot be told apart: patches forced onto one show the others as often`,
      'Leave some of them out',
    );
  const negative = parts.findIndex((part) => part < -SLACK);
  if (negative >= 0) {
    const alone = `random patches hold it in ${percent(random[negative])}`;
    const others = names.flatMap((name, d) => (d === negative ? [] : [`those forced onto ${name} in ${percent(forced[d][negative])}`]));
    fail(
      `${percent(targets[negative])} of ${names[negative]} is too little beside the other targets: ${[alone, ...others].join(', ')}`,
      'Raise it, or lower the others',
    );
  }
  const kept = parts.map((part) => Math.max(0, part));
  const sum = kept.reduce((a, b) => a + b, 0);
  if (sum > 1 + SLACK) {
    const each = names.map((name, d) => `${percent(kept[d])} forced onto ${name}, which random patches hold in ${percent(random[d])}`);
    fail(`it takes more than all patches: ${each.join('; ')}; together ${percent(sum)}`, 'Lower the targets, or take a larger patch');
  }
  return kept.map((part) => (sum > 1 ? part / sum : part));
}

/** Gauss's elimination with pivoting; null for equations that do not decide. Where nothing is wanted, nothing needs deciding. */
function solve(matrix: readonly (readonly number[])[], wanted: readonly number[]): number[] | null {
  const size = wanted.length;
  const rows = matrix.map((row, i) => [...row, wanted[i]]);
  const order: number[] = [];
  for (let column = 0; column < size; column++) {
    let best = -1;
    for (let row = 0; row < size; row++)
      if (!order.includes(row) && (best < 0 || Math.abs(rows[row][column]) > Math.abs(rows[best][column]))) best = row;
    order.push(best);
    const pivot = rows[best][column];
    if (Math.abs(pivot) < SLACK) {
      // Forcing onto this class changes nothing that is still open.
      rows[best][column] = 1;
      for (let other = column + 1; other < size; other++) rows[best][other] = 0;
      if (Math.abs(rows[best][size]) > SLACK) return null;
      rows[best][size] = 0;
      continue;
    }
    for (let row = 0; row < size; row++) {
      if (row === best) continue;
      const factor = rows[row][column] / pivot;
      for (let k = column; k <= size; k++) rows[row][k] -= factor * rows[best][k];
    }
  }
  return order.map((row, column) => rows[row][size] / rows[row][column]);
}
