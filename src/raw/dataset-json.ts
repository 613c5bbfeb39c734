import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { DatasetError, fileError } from '../common/errors.ts';
import { checkContents, parseJson } from '../common/json-file.ts';
import { checkPath, fileName } from '../common/names.ts';
import { shown } from '../common/options.ts';
import { byName, list, object, text, that, wholeNumber } from '../common/schemas.ts';
import { endingsOf } from './file-formats.ts';
import { type Labels, readLabels } from './labels.ts';
import { isMissing, isReader, KNOWN_ENDINGS, READER_NAMES, READERS, type Reader, readersFor, reads } from './readers.ts';

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
  /** "regions_class_order", unchecked: see `readClassOrder`. */
  regionsClassOrder: unknown;
  /** As it stands there; the planners' data set size is computed from it. */
  numTraining: number;
  /** nnU-Net's class that reads the files: the one that is named, or the first for their ending. */
  reader: Reader;
  /** What is named, be there such a reader or not; null: nothing. */
  namedReader: string | null;
  ending: string;
  /** The cases and their files, where "dataset" lists them; else null, and they are found by their names. */
  listed: Record<string, { images: string[]; label: string }> | null;
}

const channels = () => v.optional(byName(that('the name of a channel, as in {"0": "T1", "1": "T2"}', (name) => typeof name === 'string')));
const path = () => text('the path of a file');

/** What of it is used; the rules of labels, channels and cases come after. Data sets of nnU-Net's first version call channels modalities. */
const MEANING = object({ channel_names: channels(), modality: channels(), labels: object({}) });

const DATASET = object({
  numTraining: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  file_ending: that(
    `${KNOWN_ENDINGS.join(' or ')}: convert the images`,
    (ending) => typeof ending === 'string' && readersFor(ending).length > 0,
  ),
  dataset: v.nullish(v.pipe(byName(object({ images: list(path()), label: path() }), fileName()), v.minEntries(1, 'it is empty'))),
});

type Meaning = Record<'channel_names' | 'modality', Record<string, string> | undefined> & { name?: unknown; labels: object };
type Dataset = Meaning & {
  numTraining: number;
  file_ending: string;
  overwrite_image_reader_writer?: unknown;
  regions_class_order?: unknown;
  dataset?: Record<string, { images: string[]; label: string }> | null;
};

const REFUSAL = {
  Failure: DatasetError,
  action: "Correct it: nnU-Net's dataset.json has channel_names, labels, numTraining and file_ending",
};

/**
 * Reads a dataset.json.
 * @throws DatasetError naming the place that is missing or wrong
 */
export async function readDatasetJson(path: string): Promise<DatasetDescription> {
  const json = (await readObject(path)) as Dataset;
  checkContents(path, json, DATASET, REFUSAL);
  const { numTraining, file_ending: ending, overwrite_image_reader_writer: named, dataset = null } = json;
  if (isMissing(named))
    throw new DatasetError(
      path,
      `"overwrite_image_reader_writer" is ${named}, which is not known here`,
      `Known are ${READER_NAMES.join(', ')}: name one of them, or preprocess with nnU-Net`,
    );
  if (isReader(named) && !reads(named, ending))
    throw new DatasetError(
      path,
      `"overwrite_image_reader_writer" is ${named}, which reads no ${ending} here`,
      `It reads ${endingsOf(READERS[named].family).join(', ')}: convert the images, or name another reader`,
    );
  return {
    ...meaningOf(path, json),
    folder: folderOf(path),
    labelEntries: Object.keys(json.labels).length,
    regionsClassOrder: json.regions_class_order,
    numTraining,
    reader: isReader(named) ? named : readersFor(ending)[0],
    // nnU-Net's own word for nothing is "None".
    namedReader: typeof named === 'string' && named !== 'None' ? named : null,
    ending,
    listed: dataset && listedCases(path, dataset),
  };
}

/** Of images in any format, the parts that concern preprocessed cases. @throws DatasetError, FileError */
export async function readDataMeaning(path: string): Promise<DataMeaning> {
  return meaningOf(path, await readObject(path));
}

/**
 * The label that each region gets in predictions, from "regions_class_order": where regions overlap, the later one decides.
 * @param path of dataset.json
 * @param regions how many there are
 * @throws DatasetError
 */
export function readClassOrder(path: string, order: unknown, regions: number): number[] {
  const action = 'List the label that each region gets in predictions, in their order';
  if (!Array.isArray(order))
    throw new DatasetError(path, '"regions_class_order" is missing, without which nnU-Net trains no regions', action);
  if (order.length !== regions)
    throw new DatasetError(path, `"regions_class_order" has ${order.length} entries, there are ${regions} regions`, 'Give one a region');
  const odd = order.find((label) => !Number.isInteger(label) || label < 0 || label > 32767);
  if (odd !== undefined) throw new DatasetError(path, `"regions_class_order" has ${shown(odd)}, which is no label`, action);
  return order;
}

function meaningOf(path: string, { name, channel_names, modality, labels }: Meaning): DataMeaning {
  return {
    name: typeof name === 'string' ? name : folderOf(path),
    channels: channelNames(path, channel_names ?? modality),
    labels: readLabels(path, labels),
  };
}

function folderOf(path: string): string {
  return basename(dirname(resolve(path)));
}

async function readObject(path: string): Promise<Meaning> {
  checkPath('path', path);
  const contents = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw fileError(path, error);
    throw new DatasetError(
      path,
      'there is no such file',
      'Give the folder of one data set in nnU-Net raw layout, with dataset.json, imagesTr and labelsTr',
    );
  });
  return parseJson(path, contents, MEANING, REFUSAL) as unknown as Meaning;
}

function channelNames(path: string, names: Record<string, string> | undefined): string[] {
  const fail = (what: string): never => {
    throw new DatasetError(path, what, 'Write "channel_names" as {"0": "T1", "1": "T2", …}');
  };
  if (names === undefined) return fail('channel_names: it is missing');
  const { length } = Object.keys(names);
  if (length === 0) fail('channel_names: it is empty');
  return Array.from({ length }, (_, index) => names[index] ?? fail(`channel_names: there is no name for channel ${index}`));
}

/** nnU-Net takes paths relative to the data set's folder, with environment variables in them. */
function listedCases(path: string, cases: NonNullable<Dataset['dataset']>): NonNullable<DatasetDescription['listed']> {
  const place = (file: string): string =>
    resolve(
      dirname(path),
      file.replace(/\$(\w+)|\$\{(\w+)\}/g, (whole, plain, braced) => process.env[plain ?? braced] ?? whole),
    );
  return Object.fromEntries(
    Object.entries(cases).map(([id, { images, label }]) => [id, { images: images.map(place), label: place(label) }]),
  );
}
