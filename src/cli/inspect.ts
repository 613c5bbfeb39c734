import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { fileError, OptionError } from '../common/errors.ts';
import { PatchLoader } from '../loader/loader.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import { augmentationPairs } from '../pictures/augmentation-pairs.ts';
import { drawAugmentationSheet } from '../pictures/augmentation-sheet.ts';
import { drawContactSheet, type SheetSample, sheetSamples } from '../pictures/contact-sheet.ts';
import { type Command, LOADER_ARGUMENTS, LOADER_USAGE, loaderOptions, parse, positive, text, UsageError } from './arguments.ts';

export const inspect: Command = {
  usage: `usage: voxfeed inspect STORE_DIR [--augment] [--batches N] [--out sheet.png] [--patch Z,Y,X] [--batch N] [--seed N]

Draws the first batches of a stream: slices with outlined labels, an orange frame where foreground was forced. With --augment, draws
patches before and after each step of the augmentation instead.

${LOADER_USAGE}
  --augment           before and after each step of --augmentation, which is default then
  --batches N         batches to draw; default 1
  --out FILE          the PNG to write; default contact-sheet.png
  --json              print where it is as JSON`,

  async run(words) {
    const { given, values } = parse(words, ['STORE_DIR'], {
      ...LOADER_ARGUMENTS,
      augment: 'boolean',
      batches: 'string',
      out: 'string',
      json: 'boolean',
    });
    const batches = positive(values, 'batches', 1);
    if (values.augment && values.batches !== undefined) throw new UsageError('--batches is for contact sheets, --augment draws no batches');
    const options = await loaderOptions(given[0], values);
    const out = text(values, 'out') ?? (values.augment ? 'augmentation-sheet.png' : 'contact-sheet.png');
    const path = values.augment ? await writeAugmentationSheet(options, out) : await writeContactSheet(options, batches, out);
    process.stdout.write(values.json ? `${JSON.stringify({ sheet: path, ...(values.augment ? {} : { batches }) })}\n` : `${path}\n`);
  },
};

/** Draws the first `batches` batches into a PNG. Returns its absolute path. */
export async function writeContactSheet(options: LoaderOptions, batches: number, out: string): Promise<string> {
  await using loader = await PatchLoader.create(options);
  const { classes, index } = options.store;
  const stream = options.validation ? loader.validation : loader;
  const samples: SheetSample[] = [];
  const patches = new Set<string>();
  for (let i = 0; i < batches; i++) {
    using batch = await stream.next();
    samples.push(...sheetSamples(batch, classes));
    patches.add(batch.dataShape.slice(2).join('x'));
  }
  const { seed } = loader.state();
  const title = `${index.name}: ${batches === 1 ? 'batch 0' : `batches 0 - ${batches - 1}`} of seed ${seed}, patch ${[...patches].join(' and ')}, ${samples.filter(({ forced }) => forced).length} of ${samples.length} forced`;
  // Awaited here: while the loader is closed, nobody would hear of a failure.
  return await writePng(out, drawContactSheet(title, samples, classes));
}

/** Draws patches before and after each step of the augmentation into a PNG. Returns its absolute path. */
async function writeAugmentationSheet(given: LoaderOptions, out: string): Promise<string> {
  const options: LoaderOptions = { augmentation: 'default', ...given };
  const rows = await augmentationPairs(options);
  if (rows.length === 0)
    throw new OptionError(
      'augmentation',
      'no step of it changes what such a patch looks like',
      'Choose another one, as --augmentation default',
    );
  const { store, augmentation, seed = 0 } = options;
  const named = typeof augmentation === 'string' ? augmentation : 'given';
  return writePng(out, drawAugmentationSheet(`${store.index.name}: augmentation ${named}, seed ${seed}`, rows, store.classes));
}

async function writePng(out: string, bytes: Uint8Array): Promise<string> {
  const path = resolve(out);
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError(dirname(path), error);
  }
  await writeAtomic(path, [bytes]);
  return path;
}
