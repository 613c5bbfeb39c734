import { elementwise, type Kernel, kernel, read, write } from './gpu/kernel.ts';
import { type Memory, memory } from './gpu/memory.ts';
import { CHUNK, reduction, THREADS } from './gpu/reduction.ts';
import { realText, wide, widthFor } from './gpu/wide.ts';
import type { StepRecord } from './loss.ts';
import { adjust, scaleOf } from './loss-scale.ts';

/** nnU-Net's `nnUNetTrainer`: SGD with Nesterov momentum, weight decay, gradients clipped to this norm. */
export const RECIPE = { learningRate: 1e-2, momentum: 0.99, weightDecay: 3e-5, clip: 12, power: 0.9 } as const;

/** The rate of an epoch, nnU-Net's `PolyLRScheduler`. */
export function learningRate(epoch: number, epochs: number, initial: number = RECIPE.learningRate): number {
  return initial * (1 - epoch / epochs) ** RECIPE.power;
}

/**
 * Kernels that clip the gradients to their norm and take the step, on the first `length` elements. The norm goes to the history.
 * @param scale what the gradients were multiplied by, see `loss-scale.ts`; null: 1. Where they overflowed there is no step.
 */
export function optimise(
  { values, gradients, momentum }: { values: Memory; gradients: Memory; momentum: Memory },
  length: number,
  { control, history }: StepRecord,
  scale: Memory | null = null,
): Kernel[] {
  const chunks = Math.ceil(length / CHUNK);
  const width = widthFor(length);
  const partial = memory('partial gradient norm', chunks);
  // Negative: no step.
  const factor = memory('clipping', 1);
  return [
    reduction({
      name: 'partial gradient norm',
      bindings: [...wide(width, read('gradients', gradients)), write('partial', partial)],
      groups: chunks,
      type: 'f32',
      declarations: realText(width),
      each: `
  let end = min((GROUP + 1u) * ${CHUNK / width}u, ${length / width}u);
  var sum = 0.0;
  for (var i = GROUP * ${CHUNK / width}u + THREAD; i < end; i += ${THREADS}u) { sum += total(gradients[i] * gradients[i]); }`,
      write: `partial[GROUP] = sum;`,
    }),
    // As torch.nn.utils.clip_grad_norm_.
    kernel({
      name: 'gradient norm',
      bindings: [
        read('partial', partial),
        write('factor', factor),
        read('control', control),
        write('history', history),
        ...(scale ? [write('scale', scale)] : []),
      ],
      threads: 1,
      groups: 1,
      body: `
  var sum = 0.0;
  for (var i = 0u; i < ${chunks}u; i++) { sum += partial[i]; }
  let given = ${scale ? scaleOf('scale') : '1.0'};
  let norm = sqrt(sum) / given;
  factor[0] = min(1.0, ${RECIPE.clip}.0 / (norm + 1e-6)) / given;
  ${scale ? adjust('scale', 'norm', 'factor[0] = -1.0;') : ''}
  history[2u * u32(control[1]) + 1u] = norm;`,
    }),
    // As torch.optim.SGD: decay joins the gradient before momentum does.
    elementwise(
      'optimiser step',
      length / width,
      [
        ...wide(width, read('gradients', gradients), write('momentum', momentum), write('parameters', values)),
        read('factor', factor),
        read('control', control),
      ],
      `
  ${scale ? 'if (factor[0] < 0.0) { return; }' : ''}
  let gradient = fma(parameters[INDEX], Real(${RECIPE.weightDecay}), gradients[INDEX] * factor[0]);
  let velocity = fma(momentum[INDEX], Real(${RECIPE.momentum}), gradient);
  momentum[INDEX] = velocity;
  parameters[INDEX] -= control[0] * fma(velocity, Real(${RECIPE.momentum}), gradient);`,
      realText(width),
    ),
  ];
}
