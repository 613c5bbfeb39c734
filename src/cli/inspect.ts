import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileError } from '../errors.ts';
import { PatchLoader } from '../loader.ts';
import { drawContactSheet, type SheetSample, sheetSamples } from '../observability/contact-sheet.ts';
import type { LoaderOptions } from '../options.ts';
import { writeAtomic } from '../preprocessing/atomic-file.ts';
import { type Command, LOADER_ARGUMENTS, LOADER_USAGE, loaderOptions, parse, positive, text } from './arguments.ts';

export const inspect: Command = {
  usage: `usage: voxfeed inspect STORE_DIR [--batches N] [--out sheet.png] [--patch Z,Y,X] [--batch N] [--seed N]

Draws the first batches of a stream: slices with outlined labels, an orange frame where foreground was forced.

${LOADER_USAGE}
  --batches N         batches to draw; default 1
  --out FILE          the PNG to write; default contact-sheet.png
  --json              print where it is as JSON`,

  async run(words) {
    const { given, values } = parse(words, ['STORE_DIR'], { ...LOADER_ARGUMENTS, batches: 'string', out: 'string', json: 'boolean' });
    const batches = positive(values, 'batches', 1);
    const path = await writeContactSheet(await loaderOptions(given[0], values), batches, text(values, 'out') ?? 'contact-sheet.png');
    process.stdout.write(values.json ? `${JSON.stringify({ sheet: path, batches })}\n` : `${path}\n`);
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
  const path = resolve(out);
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError(dirname(path), error);
  }
  await writeAtomic(path, [drawContactSheet(title, samples, classes)]);
  return path;
}
