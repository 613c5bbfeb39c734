import type { OptionTable } from '../../common/options.ts';
import { that } from '../../common/schemas.ts';
import type { CompleteStep, Step, StepOf, Transform } from '../transform.ts';

const OPTIONS = {
  of: {
    schema: that<readonly Step[]>('a list of steps', (value) => Array.isArray(value) && value.length > 0, 'Give the steps to choose from'),
    required: true,
    help: 'the steps to choose from',
  },
} as const satisfies OptionTable;

/** Makes one of several steps, all equally likely to be chosen; the chosen one's own probability then decides whether it is made. */
export interface OneOfStep extends StepOf<'oneOf', typeof OPTIONS> {}

export interface OneOfParameters {
  /** Which step. */
  choice: number;
  /** What that step drew. */
  parameters: unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: each transform goes with its own steps, which their names tell apart
type AnyTransform = Transform<any, any>;

/** `lookup` gives the transform of a name: out of the table of all transforms, which holds this one too. */
export function oneOf(lookup: (name: string) => AnyTransform): Transform<typeof OPTIONS, OneOfParameters> {
  // Complete as the step that holds them is.
  const held = ({ of }: { of: readonly Step[] }): readonly CompleteStep[] => of as readonly CompleteStep[];
  return {
    purpose: 24,
    options: OPTIONS,
    holds: 'of',
    bearsMirroring: true,
    invisible: true,

    draw(step, context, draws) {
      const choice = draws.below(step.of.length);
      const chosen = held(step)[choice];
      if (draws.uniform() >= chosen.probability) return null;
      const parameters = lookup(chosen.transform).draw(chosen, context, draws);
      return parameters === null ? null : { choice, parameters };
    },

    apply(sample, { choice, parameters }, step, workspace) {
      const chosen = held(step)[choice];
      lookup(chosen.transform).apply(sample, parameters, chosen, workspace);
    },

    scratchBytes: (step, context) => Math.max(...held(step).map((inner) => lookup(inner.transform).scratchBytes?.(inner, context) ?? 0)),
  };
}
