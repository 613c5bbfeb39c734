import type { KernelTime, TrainingStep } from '../src/training/training-step.ts';

/** Kernels, or kinds of them: where a step's time goes. */
export interface ProfileLine {
  name: string;
  count: number;
  ms: number;
  /** Of the time of all kernels. */
  share: number;
  tflops: number;
  /** Of the least that has to be moved: above the memory's speed it came from caches. */
  gb_per_s: number;
}

/** So many kernels tell where the time goes: a step has 300. */
const MOST = 40;

/** The mean of some steps, on the batch that was uploaded last: by kind of kernel, and the longest kernels one by one. */
export async function profile(
  step: TrainingStep,
  steps: number,
): Promise<{ sum_ms: number; kinds: ProfileLine[]; kernels: ProfileLine[] }> {
  const runs: KernelTime[][] = [];
  for (let i = 0; i < steps; i++) runs.push(await step.profile(0.01));
  await step.results();
  const mean = runs[0].map((kernel, k) => ({ ...kernel, milliseconds: runs.reduce((sum, run) => sum + run[k].milliseconds, 0) / steps }));
  const total = mean.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const lines = (nameOf: (kernel: KernelTime) => string): ProfileLine[] =>
    [...Map.groupBy(mean, nameOf)].map(([name, group]) => line(name, group, total)).sort((a, b) => b.ms - a.ms);
  return { sum_ms: total, kinds: lines(kindOf), kernels: lines(({ name }) => name).slice(0, MOST) };
}

function line(name: string, kernels: readonly KernelTime[], total: number): ProfileLine {
  const sum = (of: 'milliseconds' | 'flops' | 'bytes'): number => kernels.reduce((all, kernel) => all + kernel[of], 0);
  const ms = sum('milliseconds');
  const perSecond = (amount: number): number => (ms === 0 ? 0 : (1000 * amount) / ms);
  return {
    name,
    count: kernels.length,
    ms,
    share: ms / total,
    tflops: perSecond(sum('flops')) / 1e12,
    gb_per_s: perSecond(sum('bytes')) / 1e9,
  };
}

/** What a kernel does, without the layer or scale that it does it for. */
function kindOf({ name }: KernelTime): string {
  return name
    .replace(/^\S*\.\S+ /, '')
    .replace(/ \d+\b/, '')
    .replace(/ of \S+$/, '');
}

export function showProfile(lines: readonly ProfileLine[]): string {
  return lines
    .map(({ name, count, ms, share, tflops, gb_per_s }) =>
      [
        `${ms.toFixed(3)} ms`.padStart(12),
        `${(100 * share).toFixed(1)} %`.padStart(7),
        (tflops === 0 ? '' : `${tflops.toPrecision(3)} TFLOP/s`).padStart(18),
        `${gb_per_s.toFixed(1)} GB/s`.padStart(12),
        ` ${name}${count === 1 ? '' : ` (${count})`}`,
      ].join(' '),
    )
    .join('\n');
}
