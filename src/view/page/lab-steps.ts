import type { PipelineStep } from '../../augmentation/transforms/index.ts';
import type { StepsFacts } from '../facts.ts';

/** A step as the lab has it: plain data. */
export type StepData = Record<string, unknown> & { transform: string; probability: number };

/** A step in the lab: off ones are not in the pipeline, and keep what was set. */
export interface LabStep {
  on: boolean;
  step: StepData;
  /** As the preset has it: the ends of sliders. */
  preset: StepData;
}

/** What the lab holds. It outlives the page: going to another one and back changes nothing. */
export interface Bench {
  preset: string;
  steps: LabStep[];
  options: StepsFacts['options'];
}

export function benchOf(preset: string, { steps, options }: StepsFacts): Bench {
  return { preset, options, steps: (steps as unknown as StepData[]).map((step) => ({ on: true, step, preset: step })) };
}

/** The pipeline: what `--augmentation FILE.json` is to hold. */
export function pipelineOf({ steps }: Bench): PipelineStep[] {
  return steps.filter(({ on }) => on).map(({ step }) => step) as unknown as PipelineStep[];
}

export const isChanged = ({ steps }: Bench): boolean =>
  steps.some(({ on, step, preset }) => !on || JSON.stringify(step) !== JSON.stringify(preset));

/** The same with one step changed. */
export function withStep(bench: Bench, i: number, change: Partial<LabStep>): Bench {
  return { ...bench, steps: bench.steps.map((entry, other) => (other === i ? { ...entry, ...change } : entry)) };
}

/** Every step made for every sample, and the parts of spatial steps that the preset makes at all. */
export function made(step: StepData): StepData {
  const parts = Object.entries(step).map(([name, value]): [string, unknown] => {
    if (name === 'of') return [name, (value as StepData[]).map(made)];
    const isChance = name.toLowerCase().endsWith('probability') && typeof value === 'number' && value > 0;
    return [name, isChance ? 1 : value];
  });
  return Object.fromEntries(parts) as StepData;
}
