import { OptionError } from '../common/errors.ts';
import { checkOptions, shown } from '../common/options.ts';
import { STEP_OPTIONS } from './step-options.ts';
import type { CompleteStep, Step } from './transform.ts';
import { TRANSFORMS } from './transforms/index.ts';

/**
 * Steps as a pipeline has them, with every option: checked, and defaults filled in. Shares nothing with what was given.
 * @throws OptionError whose `where` is a step, an option or a place within: "augmentation[3].sigma"
 */
export function completeSteps(given: readonly Step[]): CompleteStep[] {
  return structuredClone(given.map((step, i) => completeStep(step, `augmentation[${i}]`)));
}

function completeStep(given: Step, path: string): CompleteStep {
  const name = (given as Step | null)?.transform;
  if (typeof name !== 'string' || !Object.hasOwn(TRANSFORMS, name))
    throw new OptionError(
      path,
      `there is no transform ${shown(name)}`,
      `Its \`transform\` is one of ${Object.keys(TRANSFORMS).join(', ')}`,
    );
  const { options, holds } = TRANSFORMS[name];
  const table = { ...STEP_OPTIONS, ...options };
  const step = {
    transform: name,
    ...checkOptions<typeof STEP_OPTIONS>(table, given, { path: `${path}.`, besides: ['transform'], owner: `'${name}'` }),
  };
  if (holds === undefined) return step;
  const held = given[holds as keyof Step] as unknown as readonly Step[];
  return { ...step, [holds]: held.map((inner, i) => completeStep(inner, `${path}.${holds}[${i}]`)) };
}

/** The steps and all that they hold. */
export function unfold<S extends Step>(steps: readonly S[]): S[] {
  return steps.flatMap((step) => {
    const { holds } = TRANSFORMS[step.transform];
    return holds === undefined ? [step] : [step, ...unfold(step[holds as keyof S] as readonly S[])];
  });
}
