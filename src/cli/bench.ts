import { showBytes } from '../common/bytes.ts';
import { readNumber } from '../common/flag-readers.ts';
import type { OptionTable } from '../common/options.ts';
import { flag, wholeNumber } from '../common/schemas.ts';
import { PatchLoader } from '../loader/loader.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { measureThroughput, type TellableReport, tellable } from '../measuring/throughput.ts';
import { TableCommand } from './command.ts';
import { JSON_FLAG, loaderOptions, METRICS_FLAG, metricsServer } from './common-flags.ts';
import { ProgressLine } from './progress.ts';

const BENCH_OPTIONS = {
  batches: {
    schema: wholeNumber(1, 1e9),
    default: 200,
    flag: '--batches N',
    read: readNumber,
    help: 'batches to hash, and batches to time',
  },
  hash: { schema: flag(), default: true, flag: '--no-hash', help: 'leave the hash out' },
  ...JSON_FLAG,
} as const satisfies OptionTable;

export const bench = (): TableCommand =>
  new TableCommand('bench')
    .summary('stream batches without a trainer and measure')
    .description(
      'Streams batches without a trainer and measures. The first batches are hashed, later ones timed: hashing costs nothing that is reported.',
    )
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(LOADER_OPTIONS)
    .flags(BENCH_OPTIONS)
    .flags(METRICS_FLAG)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const { batches, hash, json } = await command.checked(BENCH_OPTIONS);
      const options = await loaderOptions(command, storeDir);
      using _metrics = await metricsServer(command);
      await using loader = await PatchLoader.create(options);
      const progress = new ProgressLine();
      const report = tellable(
        await measureThroughput(loader, {
          batches,
          hash,
          validation: options.validation === true,
          onBatch: (done, total) => progress.show('batches', done, total),
        }),
      );
      const { seed, patchSize, batchSize, oversample } = loader.state();
      if (json) process.stdout.write(`${JSON.stringify({ ...report, patch: patchSize, batch: batchSize, seed, oversample }, null, 2)}\n`);
      else process.stdout.write(showReport(report, patchSize, batchSize));
    });
/** The report as lines a person reads. */
export function showReport(report: TellableReport, patchSize: readonly number[], batchSize: number): string {
  const { foreground, exposure, environment } = report;
  const share = (part: number): string => `${part} of ${foreground.patches} (${((100 * part) / foreground.patches).toFixed(1)} %)`;
  const mix = Object.entries(report.configs);
  const lines: [string, string][] = [
    mix.length === 1
      ? ['patch, batch', `${patchSize.join('x')}, ${batchSize}`]
      : ['batches (patches)', mix.map(([config, { batches, patches }]) => `${config} ${batches} (${patches})`).join(', ')],
    ['workers', String(report.workers)],
    ['patches per second', report.patches_per_second === null ? 'too few to tell: give more --batches' : String(report.patches_per_second)],
    ['CPU time per patch', report.cpu_ms_per_patch === null ? 'too few to tell' : `${report.cpu_ms_per_patch} ms`],
    ['waiting for batches', `${(100 * report.wait_fraction).toFixed(1)} % of the time (nothing else is done here)`],
    ['forced foreground', share(foreground.forced)],
    ['holding foreground', share(foreground.with_foreground)],
    ...Object.entries(exposure).map(([name, { target, realised }]): [string, string] => [
      `exposure of ${name}`,
      `${(100 * realised).toFixed(1)} % of patches, wanted ${(100 * target).toFixed(1)} %`,
    ]),
    ['stream hash', report.stream_hash ?? 'left out'],
    ['peak memory', showBytes(report.peak_rss_bytes)],
    ['of that, the loader', report.memory.parts.map(({ name, bytes }) => `${name} ${showBytes(bytes)}`).join(', ')],
    [
      'environment',
      `voxfeed ${environment.voxfeed}, node ${environment.node}, ${environment.platform}, ${environment.cores} cores, ${environment.cpu}`,
    ],
  ];
  return lines.map(([name, value]) => `${name.padEnd(20)} ${value}\n`).join('');
}
