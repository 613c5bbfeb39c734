import { dirname, resolve } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { OptionError } from '../common/errors.ts';
import { readNumber } from '../common/flag-readers.ts';
import { makeFolders } from '../common/folders.ts';
import type { OptionTable } from '../common/options.ts';
import { flag, text, wholeNumber } from '../common/schemas.ts';
import { PatchLoader } from '../loader/loader.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { augmentationPairs } from '../pictures/augmentation-pairs.ts';
import { drawAugmentationSheet } from '../pictures/augmentation-sheet.ts';
import { drawContactSheet, type SheetSample, sheetSamples } from '../pictures/contact-sheet.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG, loaderOptions } from './common-flags.ts';

const INSPECT_OPTIONS = {
  augment: {
    schema: flag(),
    default: false,
    flag: '--augment',
    help: 'draw patches before and after each step of --augmentation, which is default then',
  },
  batches: { schema: wholeNumber(1, 1000), otherwise: '1', flag: '--batches N', read: readNumber, help: 'batches to draw' },
  out: {
    schema: text('a path'),
    otherwise: 'contact-sheet.png, or augmentation-sheet.png',
    flag: '--out FILE',
    help: 'the PNG to write',
  },
  ...JSON_FLAG,
} as const satisfies OptionTable;

export const inspect = (): TableCommand =>
  new TableCommand('inspect')
    .withFiles()
    .summary('draw batches, or what augmentation does')
    .description(
      'Draws the first batches of a stream: slices with outlined labels, an orange frame where foreground was forced. With --augment, draws patches before and after each step of the augmentation instead.',
    )
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(LOADER_OPTIONS)
    .flags(INSPECT_OPTIONS)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const {
        augment,
        batches,
        json,
        out = augment ? 'augmentation-sheet.png' : 'contact-sheet.png',
      } = await command.checked(INSPECT_OPTIONS);
      if (augment && batches !== undefined) throw new UsageError('--batches is for contact sheets, --augment draws no batches');
      const options = await loaderOptions(command, storeDir);
      const drawn = batches ?? 1;
      const sheet = augment ? await writeAugmentationSheet(options, out) : await writeContactSheet(options, drawn, out);
      process.stdout.write(json ? `${JSON.stringify({ sheet, ...(augment ? {} : { batches: drawn }) })}\n` : `${sheet}\n`);
    });

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
  return await writePng(out, await drawContactSheet(title, samples, classes));
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
  return writePng(out, await drawAugmentationSheet(`${store.index.name}: augmentation ${named}, seed ${seed}`, rows, store.classes));
}

async function writePng(out: string, bytes: Uint8Array): Promise<string> {
  const path = resolve(out);
  await makeFolders(dirname(path));
  await writeAtomic(path, [bytes]);
  return path;
}
