import { showBytes } from '../common/bytes.ts';
import type { OptionTable } from '../common/options.ts';
import { DIAGNOSE_OPTIONS, type Diagnosis } from '../loader/diagnosis.ts';
import { PatchLoader } from '../loader/loader.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { count, percent, showShares } from '../loader/remedies.ts';
import { showStages } from '../loader/verdicts.ts';
import { environment } from '../measuring/environment.ts';
import { TableCommand } from './command.ts';
import { JSON_FLAG, loaderOptions } from './common-flags.ts';

const DOCTOR_OPTIONS = {
  ...DIAGNOSE_OPTIONS,
  consumerMs: {
    ...DIAGNOSE_OPTIONS.consumerMs,
    default: 0,
    otherwise: '0, a consumer that does nothing but ask',
    help: 'what a training step takes: batches are taken and kept for so many milliseconds each',
  },
  ...JSON_FLAG,
} as const satisfies OptionTable;

export const doctor = (): TableCommand =>
  new TableCommand('doctor')
    .summary('say what bounds a stream, and what to do about it')
    .description(
      'Streams for some seconds as a training would, and says what bounds the stream: the disk, decompression, the augmentation and which transform, the scheduler, the consumer, memory, workers, the ring. With --consumer-ms, the consumer is one that takes so long for a batch; else one that does nothing but ask.',
    )
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(LOADER_OPTIONS)
    .flags(DOCTOR_OPTIONS)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const { json, seconds, consumerMs } = await command.checked(DOCTOR_OPTIONS);
      await using loader = await PatchLoader.create(await loaderOptions(command, storeDir));
      const diagnosis = await loader.diagnose({ seconds, consumerMs });
      process.stdout.write(
        json
          ? `${JSON.stringify({ ...diagnosis, environment: environment() }, null, 2)}\n`
          : command.flagged(showDiagnosis(diagnosis)).replace(/(--[\w-]+): /g, '$1 '),
      );
    });

/** Patches that are too few to tell what is usual from what was drawn for them. */
const FEW = 20;

/** The diagnosis as lines a person reads; options stand in backticks. */
export function showDiagnosis({ bound, why, remedies, measured }: Diagnosis): string {
  const { seconds, batches, samples, workers, busy, stages, transforms, mainThread, cores, memory } = measured;
  const rate = batches === 0 ? '' : `: a batch each ${((1000 * seconds) / batches).toFixed(1)} ms`;
  const few = batches > 0 && samples < FEW ? '. That is little to go by: more `seconds` make it surer' : '';
  const lines: [string, string][] = [
    ['bound by', bound],
    ['', why],
    ['measured', `${count(batches, 'batch', 'batches')}, ${count(samples, 'patch', 'patches')} in ${seconds.toFixed(1)} s${rate}${few}`],
    ['workers', bound === 'unknown' ? String(workers) : `${workers}, busy ${percent(busy)}: ${showStages(stages)}`],
    ['transforms', bound === 'unknown' ? 'not known' : showShares(transforms) || 'none'],
    ["the loader's thread", `busy ${percent(mainThread.busy)}, ${percent(mainThread.scheduling)} with planning and handing out`],
    ['cores', `${cores.granted}, ${cores.free.toFixed(1)} of them free`],
    ['memory', `${showBytes(memory.takenBytes)} of ${showBytes(memory.limitBytes)}`],
    ...remedies.map(({ change, brings, costs }, i): [string, string] => [
      i === 0 ? 'what to do' : '',
      `${remedies.length > 1 ? `${i + 1}. ` : ''}${change}\n${' '.repeat(21)}brings: ${brings}; costs: ${costs}`,
    ]),
  ];
  return lines.map(([name, value]) => `${name.padEnd(20)} ${value}\n`).join('');
}
