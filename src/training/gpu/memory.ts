import { type Triple, voxels } from '../../common/geometry.ts';

export type ScalarType = 'f32' | 'f16' | 'u32';

export const BYTES: Record<ScalarType, number> = { f32: 4, f16: 2, u32: 4 };

/** A piece of GPU memory that kernels read and write: a plan until `Program` gives it a buffer. */
export interface Memory {
  name: string;
  type: ScalarType;
  length: number;
  /** Kept from step to step, never shared. Others live from the first kernel that writes them to the last that reads them. */
  persistent: boolean;
}

/** Feature maps [batch, channels, z, y, x]: some channels of a memory that may hold more, so that joining maps copies nothing. */
export interface Maps {
  memory: Memory;
  batch: number;
  channels: number;
  /** The first channel in the memory, and how many channels the memory has. */
  first: number;
  total: number;
  shape: Triple;
}

export function memory(name: string, length: number, { type = 'f32' as ScalarType, persistent = false } = {}): Memory {
  return { name, type, length, persistent };
}

export function maps(
  name: string,
  batch: number,
  channels: number,
  shape: Triple,
  options: { type?: ScalarType; persistent?: boolean } = {},
): Maps {
  return { memory: memory(name, batch * channels * voxels(shape), options), batch, channels, first: 0, total: channels, shape };
}

/** Some of the channels. */
export function slice(whole: Maps, first: number, channels: number): Maps {
  return { ...whole, first: whole.first + first, channels };
}

/** The WGSL expression of an element's place: sample n, channel c of the view, voxel p. */
export function place({ first, total, shape }: Maps, n: string, c: string, p: string): string {
  const channel = first === 0 ? c : `(${first}u + ${c})`;
  return `((${n} * ${total}u + ${channel}) * ${voxels(shape)}u + ${p})`;
}

export function bytesOf({ length, type }: Memory): number {
  return 4 * Math.ceil((length * BYTES[type]) / 4);
}

/** When something is used: indices of kernels, both included. */
export interface Span {
  bytes: number;
  from: number;
  to: number;
}

/**
 * Shares buffers between things that are never needed at once. They are served in the order in which they are first used, the larger
 * first where two begin together; each takes the smallest free buffer that is large enough, or else the largest, which then grows.
 * @returns the buffer of each span, and the bytes of each buffer
 */
export function shareBuffers(spans: readonly Span[]): { buffer: number[]; bytes: number[] } {
  const bytes: number[] = [];
  const freeFrom: number[] = [];
  const buffer = spans.map(() => -1);
  const order = spans.map((_, i) => i).sort((a, b) => spans[a].from - spans[b].from || spans[b].bytes - spans[a].bytes);
  for (const i of order) {
    const { bytes: wanted, from, to } = spans[i];
    const free = bytes.map((_, b) => b).filter((b) => freeFrom[b] <= from);
    // The smallest that is large enough; else the largest, which then grows.
    free.sort(
      (a, b) => Number(bytes[a] < wanted) - Number(bytes[b] < wanted) || (bytes[a] < wanted ? bytes[b] - bytes[a] : bytes[a] - bytes[b]),
    );
    const chosen = free[0] ?? bytes.length;
    bytes[chosen] = Math.max(bytes[chosen] ?? 0, wanted);
    freeFrom[chosen] = to + 1;
    buffer[i] = chosen;
  }
  return { buffer, bytes };
}

/** Neighbouring elements that a thread reads, works on and writes at once. Four are what memory moves best. */
export type Width = 1 | 4;

/** The WGSL type of so many numbers. */
export function typeOf(type: ScalarType, width: Width): string {
  return width === 1 ? type : `vec4<${type}>`;
}
