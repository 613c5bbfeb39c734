import { readFile, stat } from 'node:fs/promises';
import { ifThere, mapFiles } from '../common/files.ts';
import type { Triple } from '../common/geometry.ts';
import { hasher } from '../common/hash.ts';
import { measureCoverages } from '../planning/coverage.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { NotedReading } from '../raw/readers.ts';
import { sampleClassLocations } from '../store/class-locations.ts';
import { caseFiles } from '../store/file-names.ts';
import { decodeSidecar, type Sidecar } from '../store/sidecar.ts';
import { PLAIN, type Storage } from '../store/storage.ts';
import { type ListedCase, listCase } from '../store/store-index.ts';
import { writeCase } from '../store/write-case.ts';
import type { StoreOptions } from './grid.ts';
import type { Keeping } from './kept-cases.ts';
import { prepareCase } from './prepare-case.ts';
import { sameSources, statSources } from './sources.ts';

/** Where a case goes, and as what. */
interface Target {
  options: StoreOptions;
  optionsHash: string;
  patches: readonly Triple[];
  outDir: string;
}

/**
 * One case from raw files to the store, in nnU-Net's order: crop, transpose, normalise, resample, class locations, write.
 * The sidecar is written last: where it stands, the case is whole.
 * @param target `patches` in three axes; how often random patches of these sizes hold foreground is measured
 */
export async function preprocessCase(
  raw: RawCase,
  { options, optionsHash, patches, outDir, keeping }: Target & { keeping?: Keeping | undefined },
  reading: NotedReading,
): Promise<ListedCase> {
  const sources = await statSources(raw);
  const prepared = await prepareCase(raw, options, reading, keeping);
  const { channels, segmentation, shape, spacing, rawSpacing, shapeBeforeCrop, cropBox, affine } = prepared;
  const classes = sampleClassLocations(segmentation, options.labels.classes);
  const coverage = measureCoverages(segmentation, shape, patches, options.labels.classes);

  return writeCase(
    outDir,
    {
      id: raw.id,
      images: channels,
      segmentation,
      shape,
      spacing,
      transpose: options.transpose,
      rawSpacing,
      shapeBeforeCrop,
      cropBox,
      affine,
      coverage,
      optionsHash,
      sources,
      classes,
    },
    storageOf(options, patches),
  );
}

/** Patches of other configurations on the same voxels are about as large. */
export function storageOf({ dtype, arrays }: StoreOptions, [patch]: readonly Triple[]): Storage {
  return { dtype: dtype ?? PLAIN.dtype, dividedFor: arrays === 'b2nd' ? patch : null };
}

/** What a store already holds of a case. */
export type Finished = { state: 'absent' | 'outdated' | 'other options' } | { state: 'finished'; entry: ListedCase };

/** Tells whether `preprocessCase` need not run again: the sidecar stands, and neither sources nor files nor patch sizes have changed. */
export async function findFinished(raw: RawCase, { options, optionsHash, patches, outDir }: Target): Promise<Finished> {
  const paths = caseFiles(outDir, raw.id, options.arrays);
  const bytes = await ifThere(paths.sidecar, readFile(paths.sidecar));
  if (bytes === null) return { state: 'absent' };
  const checksum = await hasher();
  let sidecar: Sidecar;
  try {
    sidecar = decodeSidecar(paths.sidecar, bytes, checksum);
  } catch {
    // Damaged: it is to be written again.
    return { state: 'absent' };
  }
  if (sidecar.optionsHash !== optionsHash) return { state: 'other options' };
  const sizes = await mapFiles([paths.data, paths.segmentation], async (path) => (await ifThere(path, stat(path)))?.size);
  const whole = sizes[0] === sidecar.files.data.bytes && sizes[1] === sidecar.files.segmentation.bytes;
  const same =
    sameSources(sidecar.sources, await statSources(raw)) && String(sidecar.coverage.map(({ patch }) => patch)) === String(patches);
  return whole && same ? { state: 'finished', entry: listCase(checksum, sidecar) } : { state: 'outdated' };
}
