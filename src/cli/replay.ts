import { join, resolve } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { readNumber } from '../common/flag-readers.ts';
import { makeFolders } from '../common/folders.ts';
import { type Box, boxShape } from '../common/geometry.ts';
import type { OptionTable } from '../common/options.ts';
import { text, wholeNumber } from '../common/schemas.ts';
import { encodeNifti, type Voxels } from '../formats/nifti-writer.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import type { ResumeOptions } from '../loader/options/state.ts';
import { readStateFile } from '../loader/options/state-file.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { replay as replaySample } from '../loader/replay.ts';
import type { Replayed } from '../loader/replayer.ts';
import { drawContactSheet, type SheetSample } from '../pictures/contact-sheet.ts';
import { outlinedLabels } from '../pictures/outlined-labels.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import { patchAffine } from '../store/patch-affine.ts';
import type { Sidecar } from '../store/sidecar.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG, loaderOptions } from './common-flags.ts';

const REPLAY_OPTIONS = {
  sample: {
    schema: wholeNumber(0, Number.MAX_SAFE_INTEGER),
    flag: '--sample N',
    read: readNumber,
    help: 'its position in the stream: batch x batch size + slot (of all ranks); in a mixed stream among the samples of its configuration, which --config names; with --validation in the validation stream',
  },
  out: { schema: text('a path'), otherwise: 'replay-N', flag: '--out DIR', help: 'the folder to write into' },
  state: {
    schema: text('a path'),
    otherwise: 'the options given here',
    flag: '--state FILE',
    help: 'take the options from what `loader.state()` returned, saved as JSON',
  },
  json: { ...JSON_FLAG.json, help: 'print what was written as JSON' },
} as const satisfies OptionTable;

const FILES = `
Files:
  plan.json           everything that decides the sample: case, class, voxel, boxes, every parameter of the augmentation
  before_0000.nii.gz  the crop it is made from, one file a channel; before_labels.nii.gz; in a cascade before_previous.nii.gz
  after_0000.nii.gz   the sample as it is in its batch; after_labels.nii.gz, or one after_region_N.nii.gz a region
  sample.png          slices of both with outlined labels
The images lie in space where the case does; what augmentation moves is not undone.`;

export const replay = (): TableCommand =>
  new TableCommand('replay')
    .withFiles()
    .summary('make one sample of a stream again')
    .description('Makes one sample of a stream again, bit for bit, without those before it, and writes it into a folder.')
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(REPLAY_OPTIONS)
    .flags(LOADER_OPTIONS)
    .addHelpText('after', FILES)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const { sample, state, json, out = `replay-${sample}` } = await command.checked(REPLAY_OPTIONS);
      if (sample === undefined) throw new UsageError('--sample must be given');
      const { config, ...asked } = await loaderOptions(command, storeDir);
      const saved = state === undefined ? undefined : await readStateFile(state);
      // Of a mixed stream, it says which configuration; otherwise what the patches are.
      const mixed = asked.configs !== undefined || saved?.configs !== undefined;
      const named = config === undefined ? {} : { config };
      const options: LoaderOptions | ResumeOptions = { ...asked, ...(mixed ? {} : named), ...(saved !== undefined && { state: saved }) };
      const made = await replaySample(options, sample, { ...(mixed && named), validation: asked.validation === true });
      const dir = resolve(out);
      const files = await write(dir, options, made);
      if (json) process.stdout.write(`${JSON.stringify({ dir, files, plan: made.plan })}\n`);
      else process.stdout.write(`${dir}: ${files.join(', ')}\n`);
    });

async function write(dir: string, { store }: LoaderOptions, { plan, sidecar, before, after }: Replayed): Promise<string[]> {
  const { id } = store.cases[plan.caseNumber];
  const className = plan.classNumber === null ? null : store.classes[plan.classNumber].name;
  const text = `${JSON.stringify({ case: id, class: className, ...plan }, null, 1)}\n`;
  const labels = (name: string, maps: Int16Array, box: Box): [string, Uint8Array] => [name, volume(maps, 0, sidecar, box)];
  const [target] = after.targets;
  const title = `${store.index.name}: sample ${plan.sample}, case ${id}, ${plan.forced ? `forced ${className ?? '(no foreground in case)'}` : 'random'}`;
  const sheet = await drawContactSheet(title, sheetSamples(plan.forced, before, after), store.classes);
  const contents: [string, Uint8Array][] = [
    ['plan.json', Buffer.from(text)],
    ...channels('before', before.image, before.box, sidecar),
    labels('before_labels.nii.gz', before.labels, before.box),
    ...(before.previous ? [labels('before_previous.nii.gz', before.previous, before.box)] : []),
    ...channels('after', after.data, after.box, sidecar),
    ...Array.from({ length: after.targetChannels }, (_, region): [string, Uint8Array] => [
      after.targetChannels === 1 ? 'after_labels.nii.gz' : `after_region_${region}.nii.gz`,
      volume(target, region, sidecar, after.box),
    ]),
    ['sample.png', sheet],
  ];
  await makeFolders(dir);
  for (const [name, bytes] of contents) await writeAtomic(join(dir, name), [bytes]);
  return contents.map(([name]) => name);
}

/** One channel of an array of several, as a file. */
function volume(data: Voxels, channel: number, sidecar: Sidecar, box: Box): Uint8Array {
  const shape = boxShape(box);
  const count = shape[0] * shape[1] * shape[2];
  return encodeNifti(data.subarray(channel * count, (channel + 1) * count), shape, patchAffine(sidecar, box.lower));
}

function channels(name: string, data: Float32Array, box: Box, sidecar: Sidecar): [string, Uint8Array][] {
  const [depth, height, width] = boxShape(box);
  return Array.from({ length: data.length / (depth * height * width) }, (_, channel): [string, Uint8Array] => [
    `${name}_${String(channel).padStart(4, '0')}.nii.gz`,
    volume(data, channel, sidecar, box),
  ]);
}

function sheetSamples(forced: boolean, before: Replayed['before'], after: Replayed['after']): SheetSample[] {
  const sample = (caption: string, image: Float32Array, target: TargetArray, box: Box): SheetSample => {
    const shape = boxShape(box);
    const count = shape[0] * shape[1] * shape[2];
    return { image: image.subarray(0, count), target: target.subarray(0, count), shape, caption, forced };
  };
  return [
    sample(`before: ${before.box.lower.join(' ')} to ${before.box.upper.join(' ')}`, before.image, before.labels, before.box),
    sample('after', after.data, outlinedLabels(after.targets[0], after.targetChannels), after.box),
  ];
}
