import { showBytes } from '../common/bytes.ts';
import { PatchLoader } from '../loader/loader.ts';
import { measureThroughput, type ThroughputReport } from '../measuring/throughput.ts';
import { type Command, LOADER_ARGUMENTS, LOADER_USAGE, loaderOptions, parse, positive } from './arguments.ts';
import { ProgressLine } from './progress.ts';

export const bench: Command = {
  usage: `usage: voxfeed bench STORE_DIR [--patch Z,Y,X] [--batch N] [--batches N] [--workers N] [--seed N] [--no-hash] [--json]

Streams batches without a trainer and measures. The first batches are hashed, later ones timed: hashing costs nothing that
is reported.

${LOADER_USAGE}
  --batches N         batches to hash, and batches to time; default 200
  --no-hash           leave the hash out
  --json              print the report as JSON, and nothing else, on standard output`,

  async run(words) {
    const { given, values } = parse(words, ['STORE_DIR'], {
      ...LOADER_ARGUMENTS,
      batches: 'string',
      'no-hash': 'boolean',
      json: 'boolean',
    });
    const batches = positive(values, 'batches', 200);
    const options = await loaderOptions(given[0], values);
    await using loader = await PatchLoader.create(options);
    const progress = new ProgressLine();
    const report = await measureThroughput(loader, {
      batches,
      hash: !values['no-hash'],
      validation: values.validation === true,
      onBatch: (done, total) => progress.show('batches', done, total),
    });
    const { seed, patchSize, batchSize, oversample } = loader.state();
    if (values.json)
      process.stdout.write(`${JSON.stringify({ ...report, patch: patchSize, batch: batchSize, seed, oversample }, null, 2)}\n`);
    else process.stdout.write(showReport(report, patchSize, batchSize));
  },
};

/** The report as lines a person reads. */
export function showReport(report: ThroughputReport, patchSize: readonly number[], batchSize: number): string {
  const { foreground, exposure, environment } = report;
  const share = (part: number): string => `${part} of ${foreground.patches} (${((100 * part) / foreground.patches).toFixed(1)} %)`;
  const mix = Object.entries(report.configs);
  const lines: [string, string][] = [
    mix.length === 1
      ? ['patch, batch', `${patchSize.join('x')}, ${batchSize}`]
      : ['batches (patches)', mix.map(([config, { batches, patches }]) => `${config} ${batches} (${patches})`).join(', ')],
    ['workers', String(report.workers)],
    ['patches per second', String(report.patches_per_second)],
    ['CPU time per patch', `${report.cpu_ms_per_patch} ms`],
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
