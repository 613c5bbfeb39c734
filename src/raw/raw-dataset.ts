import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CaseError, CasesError, DatasetError, fileError, type VoxfeedError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { checkPath, foldedName, nameFault } from '../common/names.ts';
import { given, shown } from '../common/options.ts';
import { type DatasetDescription, readDatasetJson } from './dataset-json.ts';
import { channelsOf, findReader, isReader, type Reader, type Reading, readersFor } from './readers.ts';

/** The files of one case of a raw data set. */
export interface RawCase {
  id: string;
  /** In channel order: one a channel, or fewer that hold several along their fourth axis. */
  images: string[];
  label: string;
}

/** A folder in nnU-Net's raw layout: dataset.json, imagesTr/CASE_0000.nii.gz …, labelsTr/CASE.nii.gz. */
export interface RawDataset extends DatasetDescription {
  dir: string;
  /** Ascending by id, as nnU-Net sorts them. */
  cases: RawCase[];
  /** What is odd but usable, for the user to read. */
  notes: string[];
}

/**
 * Reads dataset.json and finds every file of every case, looking into the first volume alone.
 * @throws DatasetError or CasesError naming the file that is missing or wrong.
 */
export async function openRawDataset(dir: string): Promise<RawDataset> {
  checkPath('rawDir', dir);
  const path = join(dir, 'dataset.json');
  const description = await readDatasetJson(path);
  const { channels, ending, listed, namedReader } = description;
  const readers = isReader(namedReader) ? [namedReader] : readersFor(ending);
  const cases =
    listed === null ? await findCases(dir, channels.length, ending, readers) : await checkListed(path, listed, channels.length, readers);
  const notes: string[] = [];
  if (description.numTraining !== cases.length)
    notes.push(`${path} says numTraining ${description.numTraining}, ${cases.length} cases are there`);
  const reader = isReader(namedReader) ? namedReader : await findReader(ending, cases[0].images[0]);
  if (namedReader !== null && namedReader !== reader)
    notes.push(`${path} names a reader that nnU-Net does not have, ${namedReader}: ${reader} reads the images`);
  else if (reader !== description.reader) notes.push(`${description.reader} cannot read ${cases[0].images[0]}: ${reader} reads the images`);
  return { ...description, reader, dir, cases, notes };
}

/** How the files of a data set are read, by itself or by what plans say. */
export function readingOf({ channels, reader }: RawDataset, how: Partial<Reading> = {}): Reading {
  return { reader, channels: channels.length, ...given(how) };
}

async function checkListed(
  path: string,
  listed: NonNullable<DatasetDescription['listed']>,
  channels: number,
  readers: readonly Reader[],
): Promise<RawCase[]> {
  const errors: VoxfeedError[] = [];
  const ids = Object.keys(listed).sort((a, b) => (a < b ? -1 : 1));
  const cases = ids.map((id) => ({ id, ...listed[id] }));
  for (const { id, images, label } of cases) {
    if (images.length !== channels && (await holdSeveral(images, channels, readers)) === null)
      errors.push(
        new CaseError(path, `case ${id} lists ${images.length} images, there are ${channels} channels`, 'List one image a channel'),
      );
    const twin = ids.find((other) => other !== id && foldedName(other) === foldedName(id));
    if (twin !== undefined && id < twin) errors.push(twins(path, id, twin));
    if (Object.hasOwn(listed, `${id}_seg`))
      errors.push(
        new CaseError(path, `the label of case ${id} would be stored in the same file as case ${id}_seg`, 'Rename one of the two'),
      );
    for (const file of [...images, label]) {
      const found = await ifThere(file, stat(file));
      if (found === null) errors.push(new CaseError(file, `case ${id} lists it, but there is no such file`, `Correct ${path}`));
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new CasesError(path, errors);
  return cases;
}

/** Some file systems would take their files for the same ones. */
function twins(where: string, id: string, twin: string): CaseError {
  return new CaseError(
    where,
    `cases ${id} and ${twin} differ in case or accents alone, which some file systems do not tell apart`,
    'Rename one of the two',
  );
}

/**
 * How many of the files that a case has, without gaps, hold all channels, along their fourth axis or as colours; null if there is one file
 * a channel.
 */
async function holdSeveral(present: readonly string[], channels: number, readers: readonly Reader[]): Promise<number | null> {
  if (present.length >= channels) return null;
  let held = 0;
  for (const path of present) {
    let found: number | null = null;
    for (const reader of readers) found ??= await channelsOf(path, reader);
    held += found ?? 1;
  }
  return held > present.length ? present.length : null;
}

async function list(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new DatasetError(dir, 'there is no such folder', 'A raw data set has imagesTr and labelsTr beside dataset.json');
    throw fileError(dir, error);
  }
}

async function findCases(dir: string, channels: number, ending: string, readers: readonly Reader[]): Promise<RawCase[]> {
  const imagesDir = join(dir, 'imagesTr');
  const labelsDir = join(dir, 'labelsTr');
  const [imageFiles, labelFiles] = await Promise.all([list(imagesDir), list(labelsDir)]);

  const found = new Map<string, Set<number>>();
  for (const file of imageFiles.filter((name) => name.endsWith(ending) && !name.startsWith('.'))) {
    const stem = file.slice(0, -ending.length);
    const match = /^(.+)_(\d{4})$/.exec(stem);
    if (!match)
      throw new DatasetError(
        join(imagesDir, file),
        'the name has no channel number',
        `Name images CASE_0000${ending}, CASE_0001${ending}, …`,
      );
    const [, id, channel] = match;
    found.set(id, (found.get(id) ?? new Set()).add(Number(channel)));
  }
  const labelled = new Set(
    labelFiles.filter((name) => name.endsWith(ending) && !name.startsWith('.')).map((name) => name.slice(0, -ending.length)),
  );
  if (found.size === 0 && labelled.size === 0) {
    throw new DatasetError(imagesDir, `it holds no ${ending} image (0 cases)`, 'Check the folder and "file_ending" in dataset.json');
  }

  const errors: VoxfeedError[] = [];
  const cases: RawCase[] = [];
  const ids = [...new Set([...found.keys(), ...labelled])].sort((a, b) => (a < b ? -1 : 1));
  for (const id of ids) {
    const images = Array.from({ length: channels }, (_, channel) => join(imagesDir, `${id}_${String(channel).padStart(4, '0')}${ending}`));
    const label = join(labelsDir, `${id}${ending}`);
    const present = found.get(id);
    if (present === undefined) {
      errors.push(new CaseError(label, `the label has no image ${images[0]}`, 'Add the image or remove the label'));
      continue;
    }
    const fault = nameFault(id);
    if (fault !== null) {
      errors.push(new CaseError(images[0], `the name of its case, ${shown(id)}, ${fault}`, 'Rename the files of the case'));
      continue;
    }
    const twin = ids.find((other) => other > id && foldedName(other) === foldedName(id));
    if (twin !== undefined) errors.push(twins(images[0], id, twin));
    const several = await holdSeveral(
      images.filter((_, channel) => present.has(channel)),
      channels,
      readers,
    );
    if (several !== null) images.splice(several);
    const missing = images.find((_, channel) => !present.has(channel));
    const extra = [...present].find((channel) => channel >= channels);
    const clash = `${id}_seg`;
    if (found.has(clash))
      errors.push(
        new CaseError(
          images[0],
          `the label of case ${id} would be stored in the same file as case ${clash}`,
          'Rename one of the two cases',
        ),
      );
    else if (missing !== undefined)
      errors.push(
        new CaseError(
          missing,
          `channel ${images.indexOf(missing)} of case ${id} is missing`,
          `dataset.json names ${channels} channels; add the file or remove the case`,
        ),
      );
    else if (extra !== undefined)
      errors.push(
        new CaseError(
          images[0],
          `case ${id} has a channel ${extra}`,
          `dataset.json names ${channels} channels: add a name there or remove the file`,
        ),
      );
    else if (!labelled.has(id))
      errors.push(new CaseError(label, `case ${id} has an image but no label`, 'Add the label or remove the image'));
    else cases.push({ id, images, label });
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new CasesError(dir, errors);
  return cases;
}
