/**
 * Planning and preprocessing, `npm run bench:preprocessing -- [--hippocampus RAW_DIR] [--peer PYTHON] [--runs N] [--json]`: cases a
 * minute, CPU time and peak memory, each run in a process of its own, all of them taking turns; medians are reported.
 *
 * The data: the hippocampus cases in examples/data, or all 260 of them where RAW_DIR is given, and one made-up CT of 300x512x512
 * voxels, 2.5 mm thick, at its low-resolution configuration, which resamples every voxel. With `--peer`, the Python of a virtual
 * environment that has nnunetv2, nnU-Net preprocesses the same cases by the same plans, in one process, beside one worker.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { environment } from '../src/measuring/environment.ts';

/** What users have: the built package, whose workers need not be compiled from TypeScript. */
const { planDataset, preprocess } = (await import(join(import.meta.dirname, '../dist/index.js'))) as typeof import('../src/index.ts');

interface Measured {
  cases: number;
  seconds: number;
  cpu_seconds: number;
  peak_rss_bytes: number;
}

interface Job {
  step: 'plan' | 'preprocess';
  raw: string;
  out: string;
  config: string;
  workers: number;
}

/** In a process of its own: does one job and prints what it took. */
async function measure({ step, raw, out, config, workers }: Job): Promise<Measured> {
  const started = performance.now();
  const before = process.cpuUsage();
  let cases: number;
  if (step === 'plan')
    ({
      dataset: {
        cases: { length: cases },
      },
    } = await planDataset(raw, { outDir: out, workers }));
  else ({ cases } = await preprocess(raw, out, { plans: join(out, '../plans/nnUNetPlans.json'), config, workers }));
  const { user, system } = process.cpuUsage(before);
  return {
    cases,
    seconds: (performance.now() - started) / 1000,
    cpu_seconds: (user + system) / 1e6,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
  };
}

const SYNTHETIC_CT = join(import.meta.dirname, 'synthetic-ct.ts');
const PEER_SCRIPT = join(import.meta.dirname, 'peers/nnunet_preprocess.py');

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      hippocampus: { type: 'string', default: join(import.meta.dirname, '../examples/data') },
      peer: { type: 'string' },
      runs: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
    },
  });
  const work = mkdtempSync(join(tmpdir(), 'voxfeed-bench-'));
  const ct = join(work, 'Dataset900_Ct');
  // Not in this process: a child's peak memory begins with what its parent had.
  execFileSync(process.execPath, [SYNTHETIC_CT, ct, '--cases', '1', '--shape', '300,512,512', '--spacing', '2.5,0.78,0.78']);
  const data = [
    { name: 'hippocampus', raw: values.hippocampus, config: '3d_fullres' },
    { name: 'CT 300x512x512', raw: ct, config: '3d_lowres' },
  ];
  const found = new Map<string, Measured[]>();
  const once = (name: string, command: string, words: string[]): void => {
    const printed = execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    found.set(name, [...(found.get(name) ?? []), JSON.parse(printed.trim().split('\n').at(-1) as string)]);
    process.stderr.write(`${name}\n`);
  };
  for (let run = 0; run < Number(values.runs); run++) {
    for (const { name, raw, config } of data) {
      const plans = join(work, name, 'plans');
      for (const workers of name === 'hippocampus' ? [1, 2] : [1]) {
        for (const step of ['plan', 'preprocess'] as const) {
          const out = step === 'plan' ? plans : join(work, name, 'store');
          rmSync(out, { recursive: true, force: true });
          once(`${name}, ${step}, ${workers} worker${workers > 1 ? 's' : ''}`, process.execPath, [
            import.meta.filename,
            JSON.stringify({ step, raw, out, config, workers } satisfies Job),
          ]);
        }
      }
      if (values.peer !== undefined && existsSync(plans))
        once(`${name}, preprocess, nnU-Net`, values.peer, [PEER_SCRIPT, raw, join(plans, 'nnUNetPlans.json'), config, join(work, 'peer')]);
    }
  }
  rmSync(work, { recursive: true, force: true });

  const median = (numbers: number[]): number => Number([...numbers].sort((a, b) => a - b)[numbers.length >> 1].toPrecision(4));
  const rows = [...found].map(([name, measured]) => ({
    name,
    cases_per_minute: median(measured.map(({ cases, seconds }) => (60 * cases) / seconds)),
    cpu_seconds_per_case: median(measured.map(({ cases, cpu_seconds }) => cpu_seconds / cases)),
    peak_rss_mib: median(measured.map(({ peak_rss_bytes }) => peak_rss_bytes / 2 ** 20)),
  }));
  if (values.json) console.log(JSON.stringify({ runs: Number(values.runs), rows, environment: environment() }, null, 2));
  else {
    console.table(rows);
    console.log(`medians of ${values.runs} interleaved runs;`, environment());
  }
}

const job = process.argv[2]?.startsWith('{') ? (JSON.parse(process.argv[2]) as Job) : null;
if (job === null) await main();
else console.log(JSON.stringify(await measure(job)));
