import { OptionError } from '../../common/errors.ts';
import type { Step, Transform } from '../transform.ts';
import { checkOptions } from './check-options.ts';

/** Makes one of several steps, all equally likely to be chosen; the chosen one's own probability then decides whether it is made. */
export interface OneOfStep extends Step {
  readonly transform: 'oneOf';
  readonly of: readonly Step[];
}

export interface OneOfParameters {
  /** Which step. */
  choice: number;
  /** What that step drew. */
  parameters: unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: each transform goes with its own steps, which their names tell apart
type AnyTransform = Transform<any, any>;

/** `lookup` gives the transform of a name, undefined where there is none: the table of all transforms, which holds this one too. */
export function oneOf(lookup: (name: string) => AnyTransform | undefined): Transform<OneOfStep, OneOfParameters> {
  const find = (step: Step): AnyTransform => lookup(step.transform) as AnyTransform;
  return {
    stage: 24,

    check(step, path) {
      checkOptions(step, path, ['of']);
      if (!Array.isArray(step.of) || step.of.length === 0)
        throw new OptionError(`${path}.of`, 'there is nothing to choose from', 'Give a list of steps');
      for (const [i, inner] of step.of.entries()) {
        const name = inner?.transform;
        const transform = typeof name === 'string' ? lookup(name) : undefined;
        if (!transform)
          throw new OptionError(`${path}.of[${i}]`, `there is no transform ${JSON.stringify(name) ?? 'named'}`, 'Correct its `transform`');
        transform.check(inner, `${path}.of[${i}]`);
      }
    },

    draw(step, context, draws) {
      const choice = draws.below(step.of.length);
      const chosen = step.of[choice];
      if (draws.uniform() >= (chosen.probability ?? 1)) return null;
      const parameters = find(chosen).draw(chosen, context, draws);
      return parameters === null ? null : { choice, parameters };
    },

    apply(sample, { choice, parameters }, step, workspace) {
      find(step.of[choice]).apply(sample, parameters, step.of[choice], workspace);
    },

    scratchBytes: (step, context) => Math.max(...step.of.map((inner) => find(inner).scratchBytes?.(inner, context) ?? 0)),
  };
}
