/**
 * Writes docs/options.md from the tables of options that the code goes by: `npm run docs:options`. With `--check` it writes nothing, and
 * the status is 1 if the page is not what the tables say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { STEP_OPTIONS } from '../src/augmentation/step-options.ts';
import { TRANSFORMS } from '../src/augmentation/transforms/index.ts';
import type { Option, OptionTable } from '../src/common/options.ts';
import { DIAGNOSE_OPTIONS } from '../src/loader/diagnosis.ts';
import { CONFIG_OPTIONS, EPOCH_OPTIONS, LOADER_OPTIONS, VALIDATION_OPTIONS } from '../src/loader/options/table.ts';
import { REPLAYED_STREAM } from '../src/loader/replay.ts';
import { FINGERPRINT_OPTIONS } from '../src/preprocessing/fingerprint-dataset.ts';
import { PLAN_DATASET_OPTIONS } from '../src/preprocessing/plan-dataset.ts';
import { PLAN_PART_OPTIONS } from '../src/preprocessing/plan-part.ts';
import { PREPROCESS_OPTIONS } from '../src/preprocessing/preprocess.ts';
import { NNUNET_OPTIONS } from '../src/preprocessing/preprocess-nnunet.ts';
import type { StreamOption } from '../src/sampling/table.ts';
import { MODEL_OPTIONS } from '../src/training/prediction/model.ts';
import { PREDICT_OPTIONS } from '../src/training/prediction/predictor.ts';
import { TRAIN_OPTIONS } from '../src/training/train-table.ts';

const PAGE = join(import.meta.dirname, 'options.md');

const cell = (text: string): string => text.replaceAll('|', '\\|');
const meaning = ({ otherwise, default: value }: Option): string => otherwise ?? (value === undefined ? '' : `\`${JSON.stringify(value)}\``);

/** One table of options as one of Markdown. */
function table(options: OptionTable, { flags = false, marks = false } = {}): string {
  const head = ['option', ...(flags ? ['flag'] : []), 'what it may be', 'left out', 'what it does', ...(marks ? [''] : [])];
  const rows = Object.entries<StreamOption>(options).map(([name, option]) => [
    `\`${name}\``,
    ...(flags ? [option.flag === undefined ? '' : `\`${option.flag}\``] : []),
    v.getDescription(option.schema as never) ?? '',
    meaning(option),
    option.help,
    ...(marks ? [`${option.perConfiguration ? 'C' : ''}${option.shapes ? 'S' : ''}`] : []),
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

const transforms = Object.entries(TRANSFORMS)
  .filter(([, { options }]) => Object.keys(options).length > 0)
  .map(([name, { options }]) => `### ${name}\n\n${table(options)}`)
  .join('\n\n');

const page = `# Options

This page is made from the tables in the code: \`npm run docs:options\`. Every function refuses an option that is not listed. On the command
line, flags go by the same tables.

## Of a loader

\`PatchLoader.create({ store, … })\`, and the commands that stream: \`bench\`, \`doctor\`, \`inspect\`, \`replay\`, \`train\`, \`demo\`. C: the configurations of a
mixed stream may differ in it. S: it decides the bytes of the stream; states keep it.
Of \`previousStage\` they keep a hash of the labels.

${table(LOADER_OPTIONS, { flags: true, marks: true })}

An entry of \`configs\` takes those with C, and

${table(CONFIG_OPTIONS)}

\`validation\` takes

${table(VALIDATION_OPTIONS)}

\`epochs\` takes

${table(EPOCH_OPTIONS)}

## Of preprocess

\`preprocess(rawDir, storeDir, options)\` and \`voxfeed preprocess\`.

${table(PREPROCESS_OPTIONS, { flags: true })}

## Of preprocessForNnunet

\`preprocessForNnunet(rawDir, preprocessedDir, options)\`, and \`voxfeed preprocess --format nnunet\`, where \`--config\` takes names with
commas between them.

${table(NNUNET_OPTIONS, { flags: true })}

## Of planDataset

\`planDataset(rawDir, options)\` and \`voxfeed plan\`; \`planExperiment(fingerprint, dataset, options)\` takes the first two after \`outDir\`.

${table(PLAN_DATASET_OPTIONS, { flags: true })}

## Of planPart

\`planPart(rawDir, options)\` and \`voxfeed plan --part\`.

${table(PLAN_PART_OPTIONS, { flags: true })}

## Of fingerprint

${table(FINGERPRINT_OPTIONS)}

## Of replay

\`replay(options, sample, which)\`: options are those of the loader, \`which\` is

${table(REPLAYED_STREAM)}

## Of diagnose

\`loader.diagnose(options)\` and \`voxfeed doctor\`, which is always the consumer: \`--consumer-ms\` is 0 where it is left out.

${table(DIAGNOSE_OPTIONS, { flags: true })}

## Of train

\`train(store, options)\` and \`voxfeed train\`, where \`--out\` may be left out: it is \`model\`. It also takes the options of a loader, but for
\`configs\`, \`validation\`, \`deepSupervision\`, \`regions\` and \`targetType\`, which it decides by itself, and those of ranks: it trains on one GPU; \`augmentation\` is \`'default'\` where it is left out, and \`fold\` 0.

${table(TRAIN_OPTIONS, { flags: true })}

## Of predict

Of \`Predictor.open\`, and of \`predictor.predict\`:

${table({ ...MODEL_OPTIONS, ...PREDICT_OPTIONS }, { flags: true })}

## Of transforms

Steps of an augmentation, by the name of their \`transform\`; see [augmentation](augmentation.md). Every step may say

${table(STEP_OPTIONS)}

${transforms}
`;

if (!process.argv.includes('--check')) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, 'utf8') !== page) {
  process.stderr.write('docs/options.md is not what the tables of options say: npm run docs:options\n');
  process.exitCode = 1;
}
