import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { DatasetError, fileError } from '../common/errors.ts';
import { type Labels, readLabels } from './labels.ts';

/** What dataset.json says of the numbers in a data set's files, whatever files those are. */
export interface DataMeaning {
  /** Its "name", or the folder's. */
  name: string;
  /** Channel names in channel order; they choose the normalisation. */
  channels: string[];
  labels: Labels;
}

/** What dataset.json says of a data set. */
export interface DatasetDescription extends DataMeaning {
  /** Of the folder: nnU-Net's name for the data set, for example "Dataset004_Hippocampus". */
  folder: string;
  /** Entries of "labels", background and "ignore" included: what nnU-Net's planners take for the network's outputs. */
  labelEntries: number;
  /** As it stands there; the planners' data set size is computed from it. */
  numTraining: number;
  /** nnU-Net's class that reads the files. */
  reader: string;
  ending: string;
  /** The cases and their files, where "dataset" lists them; else null, and they are found by their names. */
  listed: Record<string, { images: string[]; label: string }> | null;
}

const REQUIRED = ['labels', 'numTraining', 'file_ending'];
/** The endings that are read here, and nnU-Net's first class that reads them. */
const READER: Record<string, string> = { '.nii.gz': 'SimpleITKIO', '.nii': 'NibabelIO' };

/**
 * Reads a dataset.json.
 * @throws DatasetError naming the key that is missing or wrong
 */
export async function readDatasetJson(path: string): Promise<DatasetDescription> {
  const json = await readObject(path);
  const ending = json.file_ending as string;
  if (typeof ending !== 'string' || !Object.hasOwn(READER, ending)) {
    throw new DatasetError(
      path,
      `"file_ending" is ${JSON.stringify(ending)}`,
      'voxfeed reads ".nii.gz" and ".nii": convert the images and set "file_ending"',
    );
  }
  if (!Number.isInteger(json.numTraining) || (json.numTraining as number) < 1)
    throw new DatasetError(path, `"numTraining" is ${JSON.stringify(json.numTraining)}`, 'Set it to the number of training cases');
  return {
    ...meaningOf(path, json),
    folder: folderOf(path),
    labelEntries: Object.keys(json.labels as object).length,
    numTraining: json.numTraining as number,
    reader: typeof json.overwrite_image_reader_writer === 'string' ? json.overwrite_image_reader_writer : READER[ending],
    ending,
    listed: listedCases(path, json.dataset),
  };
}

/** Of images in any format, the parts that concern preprocessed cases. @throws DatasetError, FileError */
export async function readDataMeaning(path: string): Promise<DataMeaning> {
  return meaningOf(path, await readObject(path));
}

function meaningOf(path: string, json: Record<string, unknown>): DataMeaning {
  return {
    name: typeof json.name === 'string' ? json.name : folderOf(path),
    // Data sets of nnU-Net's first version call them modalities.
    channels: channelNames(path, json.channel_names ?? json.modality),
    labels: readLabels(path, json.labels),
  };
}

function folderOf(path: string): string {
  return basename(dirname(resolve(path)));
}

async function readObject(path: string): Promise<Record<string, unknown>> {
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
  const missing = [...('modality' in json ? [] : ['channel_names']), ...REQUIRED].filter((key) => !(key in json));
  if (missing.length > 0)
    throw new DatasetError(
      path,
      `the key "${missing[0]}" is missing`,
      `nnU-Net's dataset.json needs channel_names, ${REQUIRED.join(', ')}`,
    );
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

/** nnU-Net takes paths relative to the data set's folder, with environment variables in them. */
function listedCases(path: string, json: unknown): DatasetDescription['listed'] {
  if (json === undefined || json === null) return null;
  const action = 'Write it as {"CASE": {"images": [one path a channel], "label": path}, …}, or remove it to use imagesTr and labelsTr';
  if (typeof json !== 'object' || Array.isArray(json) || Object.keys(json).length === 0)
    throw new DatasetError(path, '"dataset" is not an object with cases', action);
  const place = (file: string): string =>
    resolve(
      dirname(path),
      file.replace(/\$(\w+)|\$\{(\w+)\}/g, (whole, plain, braced) => process.env[plain ?? braced] ?? whole),
    );
  const entries = Object.entries(json as Record<string, { images?: unknown; label?: unknown } | null>);
  return Object.fromEntries(
    entries.map(([id, entry]) => {
      const { images, label } = entry ?? {};
      if (!Array.isArray(images) || !images.every((file) => typeof file === 'string') || typeof label !== 'string')
        throw new DatasetError(path, `"dataset" does not say the files of case ${id}`, action);
      return [id, { images: images.map(place), label: place(label) }];
    }),
  );
}
