import { STEP_OPTIONS } from '../augmentation/step-options.ts';
import { completeSteps, unfold } from '../augmentation/steps.ts';
import type { Step } from '../augmentation/transform.ts';
import { type PipelineStep, TRANSFORMS } from '../augmentation/transforms/index.ts';
import type { Option } from '../common/options.ts';
import type { OptionFacts, StepsFacts } from './facts.ts';

/** A pipeline with every option of every step, and what a page must know to offer them. */
export function describeSteps(steps: readonly Step[]): StepsFacts {
  const complete = completeSteps(steps);
  const names = new Set(unfold(complete).map(({ transform }) => transform));
  return {
    steps: complete as unknown as PipelineStep[],
    options: Object.fromEntries([...names].map((name) => [name, optionsOf(name)])),
  };
}

function optionsOf(name: string): OptionFacts[] {
  const table: Record<string, Option & Partial<OptionFacts>> = { ...STEP_OPTIONS, ...TRANSFORMS[name].options };
  return Object.entries(table).map(([option, entry]) => {
    const choices = choicesOf(entry);
    return {
      name: option,
      kind: kindOf(name, option, entry, choices),
      from: finite(entry.from),
      to: finite(entry.to),
      whole: entry.whole ?? false,
      choices,
      help: entry.help,
    };
  });
}

function kindOf(transform: string, name: string, { kind, default: standard }: Option & Partial<OptionFacts>, choices: readonly string[]) {
  if (kind !== undefined) return kind;
  if (TRANSFORMS[transform].holds === name) return 'steps';
  if (choices.length > 0) return 'choice';
  return typeof standard === 'boolean' ? 'flag' : 'other';
}

/** What a schema lets one choose from, see `oneOf`. */
function choicesOf({ schema }: Option): readonly string[] {
  const [first] = (schema as { pipe?: { options?: readonly string[] }[] }).pipe ?? [];
  return first?.options ?? [];
}

const finite = (value: number | null | undefined): number | null => (Number.isFinite(value) ? (value as number) : null);
