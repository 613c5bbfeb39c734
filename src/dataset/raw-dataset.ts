import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CaseError, CasesError, DatasetError, fileError, type VoxfeedError } from '../errors.ts';
import { type Labels, readLabels } from './labels.ts';

/** The files of one case of a raw data set. */
export interface RawCase {
  id: string;
  /** One image per channel, in channel order. */
  images: string[];
  label: string;
}

/** A folder in nnU-Net's raw layout: dataset.json, imagesTr/CASE_0000.nii.gz …, labelsTr/CASE.nii.gz. */
export interface RawDataset {
  dir: string;
  name: string;
  /** Channel names in channel order; they choose the normalisation. */
  channels: string[];
  labels: Labels;
  /** Ascending by id, as nnU-Net sorts them. */
  cases: RawCase[];
  /** What is odd but usable, for the user to read. */
  notes: string[];
}

const REQUIRED = ['channel_names', 'labels', 'numTraining', 'file_ending'];
const ENDINGS = ['.nii.gz', '.nii'];

/**
 * Reads dataset.json and finds every file of every case, without opening the volumes.
 * @throws DatasetError or CasesError naming the file that is missing or wrong.
 */
export async function openRawDataset(dir: string): Promise<RawDataset> {
  const jsonPath = join(dir, 'dataset.json');
  const json = await readDatasetJson(jsonPath);
  const channels = channelNames(jsonPath, json.channel_names);
  const labels = readLabels(jsonPath, json.labels);
  const ending = json.file_ending as string;
  if (!ENDINGS.includes(ending)) {
    throw new DatasetError(
      jsonPath,
      `"file_ending" is ${JSON.stringify(ending)}`,
      'voxfeed reads ".nii.gz" and ".nii": convert the images and set "file_ending"',
    );
  }
  const cases = await findCases(dir, channels.length, ending);
  const notes: string[] = [];
  if (json.numTraining !== cases.length)
    notes.push(`${jsonPath} says numTraining ${JSON.stringify(json.numTraining)}, ${cases.length} cases are there`);
  return { dir, name: typeof json.name === 'string' ? json.name : basename(dir), channels, labels, cases, notes };
}

async function readDatasetJson(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new DatasetError(
        path,
        'there is no such file',
        'Give the folder of one data set in nnU-Net raw layout, with dataset.json, imagesTr and labelsTr',
      );
    }
    throw fileError(path, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DatasetError(path, `it is not JSON (${(error as Error).message})`, 'Correct the file', { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new DatasetError(path, 'it holds no JSON object', 'Correct the file');
  const missing = REQUIRED.filter((key) => !(key in json));
  if (missing.length > 0)
    throw new DatasetError(path, `the key "${missing[0]}" is missing`, `nnU-Net's dataset.json needs ${REQUIRED.join(', ')}`);
  return json as Record<string, unknown>;
}

function channelNames(path: string, json: unknown): string[] {
  const fail = (what: string): never => {
    throw new DatasetError(path, what, 'Write "channel_names" as {"0": "T1", "1": "T2", …}');
  };
  if (typeof json !== 'object' || json === null) fail('"channel_names" is not an object');
  const entries = Object.entries(json as Record<string, unknown>);
  if (entries.length === 0) fail('"channel_names" is empty');
  return entries.map((_, index) => {
    const name = (json as Record<string, unknown>)[String(index)];
    return typeof name === 'string' ? name : fail(`"channel_names" has no name for channel ${index}`);
  });
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

async function findCases(dir: string, channels: number, ending: string): Promise<RawCase[]> {
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
