import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileError } from '../common/errors.ts';
import { mapFiles } from '../common/files.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import type { SourceFile } from '../store/sidecar.ts';

/** The raw files of a case as they are now. @throws FileError */
export async function statSources(raw: RawCase): Promise<SourceFile[]> {
  return mapFiles([...raw.images, raw.label], async (path) => {
    const found = await stat(path).catch((error) => {
      throw fileError(path, error);
    });
    return { name: basename(path), bytes: found.size, modifiedMs: Math.round(found.mtimeMs) };
  });
}

/** Whether what was made from `before` is still what `now` would make. Names do not matter: a data set may move. */
export function sameSources(before: readonly SourceFile[], now: readonly SourceFile[]): boolean {
  return (
    before.length === now.length &&
    now.every(({ bytes, modifiedMs }, i) => bytes === before[i].bytes && modifiedMs === before[i].modifiedMs)
  );
}
