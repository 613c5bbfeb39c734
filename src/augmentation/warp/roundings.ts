import type { Placement } from './placement.ts';

const { fround } = Math;

/** Whose roundings a placement asks for: those of torch's code for two or for three axes, or nobody's (float64). */
export type Roundings = 2 | 3 | null;

export function roundingsOf({ nnunetCompat, axes }: Placement): Roundings {
  return nnunetCompat ? (axes.length === 2 ? 2 : 3) : null;
}

/** How an interpolation adds one more neighbour to its sum. */
export function addOf(roundings: Roundings): (sum: number, value: number, weight: number) => number {
  return roundings === null ? addExact : roundings === 3 ? addSingle : addFused;
}

function addExact(sum: number, value: number, weight: number): number {
  return sum + value * weight;
}

function addSingle(sum: number, value: number, weight: number): number {
  return fround(sum + fround(value * weight));
}

/** Product and sum are one instruction in torch's vectorised code. */
function addFused(sum: number, value: number, weight: number): number {
  return fround(sum + value * weight);
}
