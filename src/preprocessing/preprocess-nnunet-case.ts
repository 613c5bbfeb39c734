import { stat } from 'node:fs/promises';
import { StoreError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { NotedReading } from '../raw/readers.ts';
import { sampleClassLocations } from '../store/class-locations.ts';
import { caseFiles } from '../store/file-names.ts';
import { propertiesPath, readWritten, writeNnunetCase } from '../store/nnunet/write-case.ts';
import type { StoreOptions } from './grid.ts';
import type { Keeping } from './kept-cases.ts';
import { prepareCase } from './prepare-case.ts';
import { sameSources, statSources } from './sources.ts';

/** What decides the files of a configuration's folder, besides the raw ones. */
export interface NnunetOptions extends StoreOptions {
  /** Files are divided for it. */
  patchSize: number[];
}

/** One case from raw files to nnU-Net's folder of a configuration. */
export async function preprocessNnunetCase(
  raw: RawCase,
  { options, optionsHash, dir, keeping }: { options: NnunetOptions; optionsHash: string; dir: string; keeping?: Keeping | undefined },
  reading: NotedReading,
): Promise<void> {
  const sources = await statSources(raw);
  const { channels, ...prepared } = await prepareCase(raw, options, reading, keeping);
  await writeNnunetCase(dir, {
    ...prepared,
    id: raw.id,
    images: channels,
    transpose: options.transpose,
    classes: sampleClassLocations(prepared.segmentation, options.labels.classes),
    patchSize: options.patchSize,
    reader: reading.reader,
    optionsHash,
    sources,
  });
}

/** What a folder already holds of a case. */
export type Found = 'absent' | 'outdated' | 'other options' | 'another writer' | 'finished';

/** Tells whether `preprocessNnunetCase` need not run again: its `.pkl` stands, and neither sources nor sizes of files have changed. */
export async function findWritten(raw: RawCase, optionsHash: string, dir: string): Promise<Found> {
  const size = async (path: string): Promise<number> => (await ifThere(path, stat(path)))?.size ?? -1;
  if ((await size(propertiesPath(dir, raw.id))) < 0) return 'absent';
  const written = readOurs(dir, raw.id);
  if (written === null) return 'another writer';
  if (written.optionsHash !== optionsHash) return 'other options';
  const { data, segmentation } = caseFiles(dir, raw.id, 'b2nd');
  const sizes = await Promise.all([size(data), size(segmentation)]);
  return String(sizes) === String(written.bytes) && sameSources(written.sources, await statSources(raw)) ? 'finished' : 'outdated';
}

/** What cannot be read may be another's, too. */
function readOurs(dir: string, id: string): ReturnType<typeof readWritten> {
  try {
    return readWritten(dir, id);
  } catch (error) {
    if (error instanceof StoreError) return null;
    throw error;
  }
}
