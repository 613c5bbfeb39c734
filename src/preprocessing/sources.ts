import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileError } from '../common/errors.ts';
import { ifThere, mapFiles } from '../common/files.ts';
import { spacingPath } from '../formats/raster/spacing-path.ts';
import { isTiff } from '../formats/raster/tiff.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { SourceFile } from '../store/sidecar.ts';

/** The raw files of a case as they are now, those with the spacing of stacks among them. @throws FileError */
export async function statSources(raw: RawCase): Promise<SourceFile[]> {
  const files = await mapFiles([...raw.images, raw.label], async (path) => {
    const found = await stat(path).catch((error) => {
      throw fileError(path, error);
    });
    return sourceOf(path, found);
  });
  const beside = isTiff(raw.label) ? [spacingPath(raw.images[0], false), spacingPath(raw.label, true)] : [];
  const found = await mapFiles(beside, async (path) => {
    const there = await ifThere(path, stat(path));
    return there === null ? [] : [sourceOf(path, there)];
  });
  return [...files, ...found.flat()];
}

function sourceOf(path: string, { size, mtimeMs }: Stats): SourceFile {
  return { name: basename(path), bytes: size, modifiedMs: Math.round(mtimeMs) };
}

/** Whether what was made from `before` is still what `now` would make. Names do not matter: a data set may move. */
export function sameSources(before: readonly SourceFile[], now: readonly SourceFile[]): boolean {
  return (
    before.length === now.length &&
    now.every(({ bytes, modifiedMs }, i) => bytes === before[i].bytes && modifiedMs === before[i].modifiedMs)
  );
}
