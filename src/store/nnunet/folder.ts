import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileError, PlansError, StoreError } from '../../common/errors.ts';
import { ifThere, mapFiles, nullIfDamaged } from '../../common/files.ts';
import { type Checksum, hasher } from '../../common/hash.ts';
import { largestBlock } from '../../formats/b2nd/head.ts';
import type { Plans } from '../../plans/plans.ts';
import { type PlannedConfiguration, plannedConfiguration, readPlans, resolveConfiguration } from '../../plans/plans-file.ts';
import { type DataMeaning, readDataMeaning } from '../../raw/dataset-json.ts';
import { type ArrayFormat, caseFiles, DATASET_FILE, fileNames, INDEX_FILE, plansFile } from '../file-names.ts';
import { readSidecarFile, type Sidecar, type SourceFile } from '../sidecar.ts';
import { contentHash, listCase, type StoreIndex } from '../store-index.ts';
import { type CachedCase, cacheFolder, keepIndex, keepSidecar, readCache } from './cache.ts';
import { readNnunetCase } from './case.ts';

/** A folder of nnU-Net's, read: what makes a `Store`. */
export interface NnunetFolder {
  /** Absolute. */
  dir: string;
  index: StoreIndex;
  plans: Plans;
  /** Where dataset.json, plans and folds are: its parent. */
  aboutDir: string;
  /** Where sidecars are kept: beside it. */
  sidecarDir: string;
  /** @throws StoreError, FileError */
  readSidecar: (caseNumber: number) => Sidecar;
  /** What can be done about class locations that are not those of the index. */
  mend: string;
}

/** The cases of a folder, and how their arrays are stored. */
export interface NnunetCases {
  ids: string[];
  format: ArrayFormat;
}

/** What all cases of a folder have in common. */
export interface Common {
  meaning: DataMeaning;
  plans: Plans;
  configuration: PlannedConfiguration;
}

const PREPROCESS = "Run nnU-Net's preprocessing again (nnUNetv2_preprocess)";
const FORMATS: readonly ArrayFormat[] = ['b2nd', 'npy', 'npz'];

/**
 * What nnU-Net's preprocessing left in a folder; null for any other folder.
 * @throws StoreError naming a file that is missing
 */
async function findNnunetCases(dir: string): Promise<NnunetCases | null> {
  const names = new Set((await ifThere(dir, readdir(dir))) ?? []);
  const ids = [...names].flatMap((name) => (name.endsWith('.pkl') ? [name.slice(0, -4)] : [])).sort();
  const missing = (format: ArrayFormat): string[] => namesOf(ids, format).filter((name) => !names.has(name));
  // Files that were unpacked in part say less than those they came from.
  const format =
    FORMATS.find((candidate) => missing(candidate).length === 0) ?? FORMATS.find((candidate) => missing(candidate).length < ids.length);
  if (ids.length === 0 || format === undefined) return null;
  const [first] = missing(format);
  if (first !== undefined) throw new StoreError(join(dir, first), 'the file is missing', PREPROCESS);
  const known = new Set(namesOf(ids, format));
  const nameless = [...names].find((name) => name.endsWith(`.${format}`) && !known.has(name));
  // It is written last: a run that was killed leaves a case without.
  if (nameless !== undefined) throw new StoreError(join(dir, nameless), 'its .pkl is missing', PREPROCESS);
  return { ids, format };
}

/** @throws StoreError for a folder in which there are none: it is no store at all */
export async function someNnunetCases(dir: string): Promise<NnunetCases> {
  const found = await findNnunetCases(dir);
  if (found !== null) return found;
  const below = await foldersWithCases(dir);
  throw new StoreError(
    dir,
    `it is not a finished voxfeed store (no ${INDEX_FILE}), nor a folder that nnU-Net preprocessed cases into`,
    below.length > 0
      ? `Give one of its folders: ${below.join(', ')}`
      : 'Run `voxfeed preprocess RAW_DIR STORE_DIR`, which continues where it stopped; or give the folder that holds CASE.b2nd',
  );
}

/** nnU-Net takes every file in a folder of its cases for one of them. @throws StoreError if this is one */
export async function refuseNnunetFolder(dir: string): Promise<void> {
  const names = (await ifThere(dir, readdir(dir))) ?? [];
  if (names.some((name) => name.endsWith('.pkl')))
    throw new StoreError(dir, 'nnU-Net preprocessed cases into it, and nothing else may lie there', 'Choose another folder');
}

/** Those of a folder's folders that nnU-Net preprocessed into. */
async function foldersWithCases(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const folders = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  const found = await mapFiles(folders, (name) => findNnunetCases(join(dir, name)).catch(() => null));
  return folders.filter((_, i) => found[i] !== null).sort();
}

export function namesOf(ids: readonly string[], format: ArrayFormat): string[] {
  return ids.flatMap((id) => {
    const { data, segmentation } = fileNames(id, format);
    return data === segmentation ? [data] : [data, segmentation];
  });
}

/**
 * Reads what lies in nnU-Net's folder, in the files' heads alone. Class locations are kept beside it, in `voxfeed_cache`, or in memory.
 * @throws StoreError, DatasetError, PlansError, FileError naming the file
 */
export async function readNnunetFolder(given: string, { ids, format }: NnunetCases): Promise<NnunetFolder> {
  const dir = resolve(given);
  const aboutDir = dirname(dir);
  const checksum = await hasher();
  const common = await readCommon(dir);
  const { meaning, configuration } = common;
  const { spacing, transpose } = configuration;
  const cache = cacheFolder(dir);
  const read = checksum(JSON.stringify([meaning.channels, meaning.labels, spacing, transpose, format]));
  const before = await readCache(cache, read, checksum);
  const inMemory = new Map<string, Sidecar>();
  const cases: CachedCase[] = [];
  for (const [id, sources] of await allSources(dir, ids, format)) {
    const cached = before.get(id);
    if (cached !== undefined && JSON.stringify(cached.sources) === JSON.stringify(sources)) {
      cases.push(cached);
      continue;
    }
    const { sidecar, ...about } = readNnunetCase(dir, id, format, { ...meaning, spacing, transpose }, sources, checksum);
    const kept = await keepSidecar(cache, sidecar, checksum);
    if (!kept) inMemory.set(id, sidecar);
    const { coverage: _, ...entry } = listCase(checksum, sidecar);
    cases.push({ ...entry, ...about, sources });
  }
  if (inMemory.size === 0 && (before.size !== cases.length || cases.some((entry) => before.get(entry.id) !== entry)))
    await keepIndex(cache, read, cases, checksum);
  return {
    dir,
    index: indexOf(common, format, cases, checksum),
    plans: common.plans,
    aboutDir,
    sidecarDir: cache,
    mend: `Remove ${cache}: it is made again`,
    readSidecar: (caseNumber) => {
      const { id } = cases[caseNumber];
      return inMemory.get(id) ?? readSidecarFile(caseFiles(cache, id).sidecar, checksum);
    },
  };
}

/** What the folder above says of the cases in `dir`. @throws DatasetError, PlansError, FileError */
export async function readCommon(dir: string): Promise<Common> {
  const aboutDir = dirname(resolve(dir));
  return { meaning: await readDataMeaning(join(aboutDir, DATASET_FILE)), ...(await findPlans(aboutDir, basename(resolve(dir)))) };
}

/** Sizes and times of every file, in the order of the cases. */
async function allSources(dir: string, ids: readonly string[], format: ArrayFormat): Promise<[string, SourceFile[]][]> {
  return mapFiles(ids, async (id) => {
    const files: SourceFile[] = [];
    for (const name of [...namesOf([id], format), `${id}.pkl`]) {
      const { size, mtimeMs } = await stat(join(dir, name)).catch((error) => {
        throw fileError(join(dir, name), error);
      });
      files.push({ name, bytes: size, modifiedMs: mtimeMs });
    }
    return [id, files] as [string, SourceFile[]];
  });
}

/** The plans in `aboutDir` that this folder was made by, and the first of their configurations that was no later stage. */
async function findPlans(aboutDir: string, identifier: string): Promise<Pick<Common, 'plans' | 'configuration'>> {
  const beside = await readdir(aboutDir).catch((error) => {
    throw fileError(aboutDir, error);
  });
  const names = beside.filter((name) => name.endsWith('.json'));
  const read = await mapFiles(names, (name) => readPlans(join(aboutDir, name)).catch(nullIfDamaged));
  const found = read.flatMap((plans) => (plans === null ? [] : configurationsOf(aboutDir, plans, identifier)));
  // Plans of other networks may share the folder: those it is named by go first.
  const own = found.filter(({ plans }) => identifier.startsWith(`${plans.plans_name}_`));
  const candidates = own.length > 0 ? own : found;
  const chosen = candidates.find(({ configuration }) => configuration.previousStage === null) ?? candidates[0];
  if (chosen !== undefined) return chosen;
  throw new PlansError(
    aboutDir,
    `no plans there have a configuration whose "data_identifier" is ${identifier}`,
    'Put the plans there that its cases were preprocessed by, such as nnUNetPlans.json',
  );
}

function configurationsOf(aboutDir: string, plans: Plans, identifier: string): Pick<Common, 'plans' | 'configuration'>[] {
  const path = join(aboutDir, plansFile(plans));
  return Object.keys(plans.configurations).flatMap((name) => {
    try {
      const configuration = plannedConfiguration(path, plans, name);
      return configuration.dataIdentifier === identifier ? [{ plans, configuration }] : [];
    } catch {
      // Broken ones are told of where they are asked for.
      return [];
    }
  });
}

function indexOf(
  { meaning, plans, configuration }: Common,
  format: ArrayFormat,
  cases: readonly CachedCase[],
  checksum: Checksum,
): StoreIndex {
  const { channels, labels, name } = meaning;
  const largest = largestBlock(cases.flatMap(({ block }) => block ?? []));
  const index: Omit<StoreIndex, 'hash'> = {
    format: 'voxfeed-store',
    version: 3,
    name,
    channels,
    labels,
    labelDtype: cases.every(({ labelDtype }) => labelDtype === 'int8') ? 'int8' : 'int16',
    arrays: format,
    ...(largest && { largestBlock: largest }),
    options: { dataIdentifier: configuration.dataIdentifier, ...voxelsOf(plans, configuration) },
    optionsHash: '',
    configuration: configuration.name,
    plans: plansFile(plans),
    coverage: [],
    cases: cases.map(({ sources: _, labelDtype: __, block: ___, ...entry }) => entry),
    files: {},
    xxh64: '',
  };
  return { ...index, hash: contentHash(checksum, index) };
}

/** How the cases were made, where that is known here; at the least, which channels were normalised within a mask. */
function voxelsOf(plans: Plans, { name }: PlannedConfiguration): object {
  try {
    const { spacing, transpose, normalisation, resampling } = resolveConfiguration(plansFile(plans), plans, name);
    return { spacing, transpose, normalisation, resampling };
  } catch {
    const { use_mask_for_norm: masks } = plans.configurations[name];
    return Array.isArray(masks) ? { normalisation: masks.map((masked) => ({ masked: masked === true })) } : {};
  }
}
