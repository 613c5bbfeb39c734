import { GpuError } from '../../common/errors.ts';
import type { Gpu } from './device.ts';
import type { Kernel } from './kernel.ts';
import type { Products } from './product.ts';
import { compileShaders, type Pipelines, Program } from './program.ts';
import type { Tiling } from './tile.ts';

/** What came of measuring. */
export interface Tuned {
  /** The fastest way of each product that there was time for. */
  chosen: Map<string, Tiling>;
  /** Products that there was no time for, or that could not be measured. */
  left: number;
}

/** Samples of one way. */
const ROUNDS = 3;
/** A sample is as many runs as last this long, in milliseconds: far longer than it takes to submit them and to hear that they ended. */
const SAMPLE_MS = 3;
const MOST_RUNS = 64;
/** Products whose shaders are compiled before their turn: the cores are idle while the GPU measures. */
const AHEAD = 4;
/** Of the usual way's time: another one that is hardly faster may be so by chance. */
const CLEARLY = 0.97;

/** Milliseconds that it takes to run kernels so many times. */
export type Stopwatch = (gpu: Gpu, program: Program, kernels: readonly Kernel[], runs: number) => Promise<number>;

/**
 * Measures every way of `tilings` to make each product on this GPU: the best median of some samples wins, if it is clearly better than
 * that of the usual way, which is the first. The products with most to multiply come first; when `seconds` are over, those that are left keep the usual way. Ways that exceed the GPU's limits are left out.
 */
export async function tune(
  gpu: Gpu,
  products: Products,
  tilings: readonly Tiling[],
  { seconds, stopwatch = runFor }: { seconds: number; stopwatch?: Stopwatch },
): Promise<Tuned> {
  const until = performance.now() + 1000 * seconds;
  const chosen: Tuned['chosen'] = new Map();
  const all = [...products]
    .map(([product, make]): Candidate => ({ product, ways: waysOf(gpu, make, tilings) }))
    .sort((a, b) => workOf(b.ways) - workOf(a.ways));
  for (const [i, candidate] of all.entries()) {
    if (performance.now() >= until) break;
    for (const next of all.slice(i, i + 1 + AHEAD)) if (next.ways.length > 1) next.pipelines ??= compileShaders(gpu, kernelsOf(next.ways));
    const { product, ways } = candidate;
    const best = ways.length < 2 ? ways[0] : await fastest(gpu, candidate, until, stopwatch);
    delete candidate.pipelines;
    if (best) chosen.set(product, best.tiling);
  }
  return { chosen, left: products.size - chosen.size };
}

/** A product that is to be measured. */
interface Candidate {
  product: string;
  ways: Way[];
  /** While its shaders are compiled, and it is measured. */
  pipelines?: Pipelines;
}

/** One way to make a product. */
export interface Way {
  tiling: Tiling;
  kernels: Kernel[];
}

/** Each different way once, if the GPU's workgroups have room for it: tiles of small products are often the same. */
export function waysOf({ limits }: Gpu, make: (tiling: Tiling) => Kernel[], tilings: readonly Tiling[]): Way[] {
  const ways = new Map<string, Way>();
  for (const tiling of tilings) {
    const kernels = make(tiling);
    const fits = kernels.every(
      ({ workgroupBytes, threads }) =>
        workgroupBytes <= limits.maxComputeWorkgroupStorageSize &&
        threads <= Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    );
    const text = kernels.map(({ code }) => code).join();
    if (fits && !ways.has(text)) ways.set(text, { tiling, kernels });
  }
  return [...ways.values()];
}

/** Null where a driver refuses one of the ways, or memory is short: the usual one is taken then, and says so if it is to blame. */
async function fastest(gpu: Gpu, { ways, pipelines }: Candidate, until: number, stopwatch: Stopwatch): Promise<Way | null> {
  const program = await Program.compile(gpu, kernelsOf(ways), pipelines).catch((error: Error) => {
    if (!(error instanceof GpuError)) throw error;
    gpu.check();
    return null;
  });
  if (program === null) return null;
  const samples: number[][] = [];
  const runs: number[] = [];
  for (const { kernels } of ways) {
    // The first run clears memory.
    await stopwatch(gpu, program, kernels, 1);
    const once = await stopwatch(gpu, program, kernels, 1);
    runs.push(Math.min(MOST_RUNS, Math.max(1, Math.round(SAMPLE_MS / once))));
    samples.push([]);
  }
  // In turn: clocks that change do so for all of them.
  for (let round = 0; round < ROUNDS && (round === 0 || performance.now() < until); round++)
    for (const [i, { kernels }] of ways.entries()) samples[i].push((await stopwatch(gpu, program, kernels, runs[i])) / runs[i]);
  program.destroy();
  const medians = samples.map(median);
  const best = medians.indexOf(Math.min(...medians));
  return ways[medians[best] < CLEARLY * medians[0] ? best : 0];
}

async function runFor(gpu: Gpu, program: Program, kernels: readonly Kernel[], runs: number): Promise<number> {
  const encoder = gpu.device.createCommandEncoder();
  for (let run = 0; run < runs; run++) program.encode(encoder, kernels);
  const work = encoder.finish();
  const started = performance.now();
  gpu.device.queue.submit([work]);
  await gpu.done();
  return performance.now() - started;
}

function kernelsOf(ways: readonly Way[]): Kernel[] {
  return ways.flatMap(({ kernels }) => kernels);
}

function workOf([usual]: readonly Way[]): number {
  return usual === undefined ? 0 : usual.kernels.reduce((sum, { flops }) => sum + flops, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
