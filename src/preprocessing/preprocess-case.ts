import { readFile, stat } from 'node:fs/promises';
import { ifThere, mapFiles } from '../common/files.ts';
import type { Triple } from '../common/geometry.ts';
import { hasher } from '../common/hash.ts';
import { measureCoverage } from '../planning/coverage.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { NotedReading } from '../raw/readers.ts';
import { sampleClassLocations } from '../store/class-locations.ts';
import { caseFiles } from '../store/file-names.ts';
import { decodeSidecar, type Sidecar, sidecarChecksum } from '../store/sidecar.ts';
import { listCase, type StoredCase } from '../store/store-index.ts';
import { writeCase } from '../store/write-case.ts';
import type { StoreOptions } from './grid.ts';
import type { Keeping } from './kept-cases.ts';
import { prepareCase } from './prepare-case.ts';
import { sameSources, statSources } from './sources.ts';

/**
 * One case from raw files to the store, in nnU-Net's order: crop, transpose, normalise, resample, class locations, write.
 * The sidecar is written last: where it stands, the case is whole.
 * @param target `patches` in three axes; how often random patches of these sizes hold foreground is measured
 */
export async function preprocessCase(
  raw: RawCase,
  {
    options,
    optionsHash,
    patches,
    outDir,
    keeping,
  }: { options: StoreOptions; optionsHash: string; patches: readonly Triple[]; outDir: string; keeping?: Keeping | undefined },
  reading: NotedReading,
): Promise<StoredCase> {
  const sources = await statSources(raw);
  const prepared = await prepareCase(raw, options, reading, sources, keeping);
  const { channels, segmentation, shape, spacing, rawSpacing, shapeBeforeCrop, cropBox, affine } = prepared;
  const classes = sampleClassLocations(segmentation, options.labels.classes);
  const coverage = patches.map((patch) => measureCoverage(segmentation, shape, patch, options.labels.classes));

  return writeCase(outDir, {
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
  });
}

/** What a store already holds of a case. */
export type Finished = { state: 'absent' | 'outdated' | 'other options' } | { state: 'finished'; entry: StoredCase };

/** Tells whether `preprocessCase` need not run again: the sidecar stands, and neither sources nor files nor patch sizes have changed. */
export async function findFinished(raw: RawCase, optionsHash: string, patches: readonly Triple[], outDir: string): Promise<Finished> {
  const paths = caseFiles(outDir, raw.id);
  const bytes = await ifThere(paths.sidecar, readFile(paths.sidecar));
  if (bytes === null) return { state: 'absent' };
  let sidecar: Sidecar;
  try {
    sidecar = decodeSidecar(paths.sidecar, bytes);
  } catch {
    // Damaged: it is to be written again.
    return { state: 'absent' };
  }
  // Before anything it says is believed.
  if (sidecarChecksum(await hasher(), sidecar) !== sidecar.xxh64) return { state: 'absent' };
  if (sidecar.optionsHash !== optionsHash) return { state: 'other options' };
  const sizes = await mapFiles([paths.data, paths.segmentation], async (path) => (await ifThere(path, stat(path)))?.size);
  const whole = sizes[0] === sidecar.files.data.bytes && sizes[1] === sidecar.files.segmentation.bytes;
  const same =
    sameSources(sidecar.sources, await statSources(raw)) && String(sidecar.coverage.map(({ patch }) => patch)) === String(patches);
  return whole && same ? { state: 'finished', entry: listCase(await hasher(), sidecar) } : { state: 'outdated' };
}
