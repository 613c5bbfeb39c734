import { elementwise, type Kernel, read, write } from './gpu/kernel.ts';
import { type Maps, type Memory, memory } from './gpu/memory.ts';
import { wide, widthFor } from './gpu/wide.ts';

/**
 * Gradients of a voxel are smaller than float16 can tell from 0 (one of 4 million voxels: 2e-7): they are kept multiplied by a scale,
 * until the optimiser divides the parameters' gradients by it. The scale is halved after a step whose gradients overflowed, which is
 * left out, and doubled after many that did not: as torch.amp.GradScaler, with its numbers.
 */
export interface LossScale {
  scale: number;
  /** Steps since it was changed last. */
  steps: number;
}

export const INITIAL_SCALE: LossScale = { scale: 65536, steps: 0 };
const STEPS_TO_GROW = 2000;

/** The scale on the GPU, where it changes: it is read back only for checkpoints. */
export function scaleMemory(): Memory {
  return memory('loss scale', 2, { persistent: true });
}

export function scaleOf(name: string): string {
  return `${name}[0]`;
}

/** Multiplies the gradient of logits, from which all others follow. */
export function scaleGradient(gradient: Maps, scale: Memory): Kernel {
  const { name, length } = gradient.memory;
  const width = widthFor(length);
  const bindings = [...wide(width, write('gradient', gradient.memory)), read('scale', scale)];
  return elementwise(`scaled ${name}`, length / width, bindings, `  gradient[INDEX] *= ${scaleOf('scale')};`);
}

/**
 * WGSL that changes the scale after a step. WGSL has no test for infinity and NaN, and lets compilers assume that there are none:
 * their bits tell.
 * @param norm of the gradients. @param overflowed statements for a step that is left out
 */
export function adjust(name: string, norm: string, overflowed: string): string {
  return `if ((bitcast<u32>(${norm}) & 0x7f800000u) == 0x7f800000u) {
    ${name}[0] *= 0.5;
    ${name}[1] = 0.0;
    ${overflowed}
  } else if (${name}[1] == ${STEPS_TO_GROW - 1}.0) {
    ${name}[0] *= 2.0;
    ${name}[1] = 0.0;
  } else {
    ${name}[1] += 1.0;
  }`;
}
