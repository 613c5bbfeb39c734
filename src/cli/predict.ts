import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { CaseError, fileError } from '../common/errors.ts';
import { mapFiles } from '../common/files.ts';
import { makeFolders } from '../common/folders.ts';
import { foldedName } from '../common/names.ts';
import type { OptionTable } from '../common/options.ts';
import { text } from '../common/schemas.ts';
import { drawContactSheet, type SheetSample } from '../pictures/contact-sheet.ts';
import { type Library, readFileLabels, readFileVolumes, writeFileLabels } from '../raw/file-formats.ts';
import { foregroundOf, type LabelClass, type Labels } from '../raw/labels.ts';
import { refuseRawFolder } from '../raw/raw-folder.ts';
import { READERS } from '../raw/readers.ts';
import { MODEL_OPTIONS } from '../training/prediction/model.ts';
import { PREDICT_OPTIONS, Predictor } from '../training/prediction/predictor.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG, outFlag } from './common-flags.ts';
import { ProgressLine } from './progress.ts';

const PREDICT_FLAGS = {
  model: {
    schema: text('a path'),
    flag: '--model DIR',
    help: "the folder that `voxfeed train --out` wrote, one with fold_0, fold_1 and so on of those, or nnU-Net's of a training, converted",
  },
  ...MODEL_OPTIONS,
  ...outFlag('predictions', 'the folder for the labels'),
  truth: {
    schema: text('a path'),
    otherwise: 'no comparison',
    flag: '--truth DIR',
    help: 'labels by hand, under the same names: prints Dice, and draws both in comparison.png',
  },
  previousStage: {
    schema: text('a path'),
    otherwise: 'no cascade',
    flag: '--previous-stage DIR',
    help: "for a cascade's second stage: the labels that the previous one gave these cases, CASE.nii.gz",
  },
  disableTta: PREDICT_OPTIONS.disableTta,
  ...JSON_FLAG,
} as const satisfies OptionTable;

export const predict = (): TableCommand =>
  new TableCommand('predict')
    .withFiles()
    .summary('label images with a trained network')
    .description(
      "Labels images with a network that `voxfeed train` or nnU-Net trained, as nnU-Net does: a sliding window with Gaussian weights, mirrored as well; the mean of several folds. Labels are written as files of the images' format, on the grid of the images.",
    )
    .argument(
      '<IMAGE...>',
      "the first channel's file of a case (CASE_0000.nii.gz; the other channels lie beside it), or a folder with those of many",
    )
    .flags(PREDICT_FLAGS)
    .action(async (given: string[], _values: unknown, command: TableCommand) => {
      const { model, out, truth: truthDir, previousStage, disableTta, json } = await command.checked(PREDICT_FLAGS);
      if (model === undefined) throw new UsageError('--model DIR must be given');
      using predictor = await Predictor.open(model, await command.given(MODEL_OPTIONS));
      const { channels, ending, labels } = predictor.description;
      const { family: library } = READERS[predictor.reader];
      const classes = foregroundOf(labels.classes);
      const cases = (await mapFiles(given, (path) => findCases(path, ending, channels.length))).flat();
      refuseTwins(cases);
      await refuseRawFolder(out);
      await makeFolders(out);
      const besides = [truthDir, previousStage].filter((dir) => dir !== undefined);
      for (const { id, images } of cases) {
        const name = `${id}${ending}`;
        await refuseInput(join(out, name), [...images, ...besides.map((dir) => join(dir, name))]);
      }
      const progress = new ProgressLine();
      const report: { case: string; path: string; dice: Record<string, number | null> | null }[] = [];
      const pictures: SheetSample[] = [];
      for (const { id, images } of cases) {
        const found = await predictor.predict(images, {
          disableTta,
          ...(previousStage !== undefined && { previousStage: join(previousStage, `${id}${ending}`) }),
          onWindow: (done, total) => progress.show(id, done, total),
          onNote: (note) => process.stderr.write(`note: ${note}\n`),
        });
        const path = join(out, `${id}${ending}`);
        await writeFileLabels(path, found, { image: images[0], library });
        let dice: Record<string, number | null> | null = null;
        if (truthDir !== undefined) {
          const truth = await readTruth(join(truthDir, `${id}${ending}`), found.length, library);
          dice = diceOf(found, truth, labels);
          if (pictures.length < MOST_PICTURES) {
            const [{ data: image, shape }] = await readFileVolumes(images[0], library);
            const scores = Object.values(dice).map((value) => value?.toFixed(2) ?? '-');
            pictures.push({ image, shape, target: truth, forced: false, caption: `${id}: truth` });
            pictures.push({ image, shape, target: found, forced: false, caption: `${id}: prediction, Dice ${scores.join(' ')}` });
          }
        }
        report.push({ case: id, path, dice });
        if (!json) process.stdout.write(`${path}${dice === null ? '' : ` ${showDice(dice)}`}\n`);
      }
      const mean =
        truthDir === undefined
          ? null
          : meanDice(
              report.map(({ dice }) => dice ?? {}),
              classes,
            );
      let picture: string | null = null;
      if (mean !== null) {
        picture = join(out, 'comparison.png');
        const sheet = await drawContactSheet(`${model}: truth and prediction`, pictures, classes);
        await writeAtomic(picture, [sheet]);
      }
      if (json) process.stdout.write(`${JSON.stringify({ cases: report, mean, picture }, null, 2)}\n`);
      else if (mean !== null) process.stdout.write(`mean of ${cases.length} cases: ${showDice(mean)}\n${picture}\n`);
    });

/** Of both kinds together: a picture of more is too large to look at. */
const MOST_PICTURES = 16;

/** The files of a case, or of all cases in a folder. */
async function findCases(path: string, ending: string, channels: number): Promise<{ id: string; images: string[] }[]> {
  const first = `_0000${ending}`;
  let names: string[] | null;
  try {
    names = await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw fileError(path, error);
    names = null;
  }
  const caseOf = (file: string): { id: string; images: string[] } => {
    const name = basename(file);
    if (!name.endsWith(first)) {
      if (channels === 1 && name.endsWith(ending)) return { id: name.slice(0, -ending.length), images: [file] };
      throw new CaseError(file, `its name does not end in ${first}`, 'Give the file of the first channel, CASE_0000');
    }
    const id = name.slice(0, -first.length);
    return { id, images: Array.from({ length: channels }, (_, i) => join(dirname(file), `${id}_${String(i).padStart(4, '0')}${ending}`)) };
  };
  if (names === null) return [caseOf(path)];
  const found = names.filter((name) => name.endsWith(first)).sort();
  if (found.length === 0) throw new CaseError(path, `no file in it ends in ${first}`, 'Name the images as nnU-Net does, CASE_0000');
  return found.map((name) => caseOf(join(path, name)));
}

/** @throws CaseError for labels that would be written over what they are made from or compared with; FileError for an input that is missing */
async function refuseInput(labels: string, inputs: readonly string[]): Promise<void> {
  const target = join(await realpath(dirname(labels)), basename(labels));
  for (const input of inputs) {
    const found = await realpath(input).catch((error) => {
      throw fileError(input, error);
    });
    if (found === target) throw new CaseError(input, 'the predicted labels would be written over it', 'Choose another folder for --out');
  }
}

/** Two cases of one name would be written to one file. */
function refuseTwins(cases: readonly { id: string; images: string[] }[]): void {
  const first = new Map<string, string>();
  for (const { id, images } of cases) {
    const other = first.get(foldedName(id));
    if (other !== undefined)
      throw new CaseError(images[0], `its labels would have the name of those of ${other}`, 'Predict the two into different folders');
    first.set(foldedName(id), images[0]);
  }
}

async function readTruth(path: string, length: number, library: Library): Promise<Int16Array> {
  const [{ data }] = await readFileLabels(path, library);
  if (data.length !== length)
    throw new CaseError(path, `it has ${data.length} voxels, its image ${length}`, 'Give the labels of the same images');
  return Int16Array.from(data);
}

/** Of each class or region, as nnU-Net evaluates: without voxels that nobody annotated; null where neither has it. */
function diceOf(found: Int16Array, truth: Int16Array, { classes, ignore }: Labels): Record<string, number | null> {
  return Object.fromEntries(
    foregroundOf(classes).map(({ name, labels }) => {
      let both = 0;
      let either = 0;
      for (let i = 0; i < found.length; i++) {
        if (truth[i] === ignore) continue;
        const ours = labels.includes(found[i]);
        const theirs = labels.includes(truth[i]);
        either += Number(ours) + Number(theirs);
        both += Number(ours && theirs);
      }
      return [name, either === 0 ? null : (2 * both) / either];
    }),
  );
}

function meanDice(all: readonly Record<string, number | null>[], classes: readonly LabelClass[]): Record<string, number | null> {
  return Object.fromEntries(
    classes.map(({ name }) => {
      const known = all.flatMap((dice) => dice[name] ?? []);
      return [name, known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length];
    }),
  );
}

function showDice(dice: Record<string, number | null>): string {
  return Object.entries(dice)
    .map(([name, value]) => `${name} ${value?.toFixed(3) ?? '-'}`)
    .join(', ');
}
