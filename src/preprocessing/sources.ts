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
  const files = await statFiles(raw, (path) => stat(path));
  return files.map(([path, { size, mtimeMs }]) => ({ name: basename(path), bytes: size, modifiedMs: Math.round(mtimeMs) }));
}

/** Which files they are, and whether whoever changes them from now on changes that, too. */
export interface Identity {
  identity: string;
  settled: boolean;
}

/** Clocks of file systems tick every second or two where their times are whole seconds, else every few milliseconds. */
const COARSE_TICK_NS = 2_500_000_000n;
const TICK_NS = 20_000_000n;
const SECOND_NS = 1_000_000_000n;

/**
 * What tells the very files of a case, as they are now, from all others that ever were in their place: also where others are as large and
 * as old, as copies are and what comes out of an archive. Only here and now: it differs where a data set has moved. Files that were changed
 * in this tick of their file system's clock may change in it once more, unseen: they are not settled. @throws FileError
 */
export async function identifySources(raw: RawCase): Promise<Identity> {
  const files = await statFiles(raw, (path) => stat(path, { bigint: true }));
  const now = BigInt(Date.now()) * 1_000_000n;
  return {
    identity: files.map(([, { dev, ino, size, mtimeNs, ctimeNs }]) => [dev, ino, size, mtimeNs, ctimeNs].join(' ')).join('\n'),
    settled: files.every(([, { ctimeNs }]) => now - ctimeNs > (ctimeNs % SECOND_NS === 0n ? COARSE_TICK_NS : TICK_NS)),
  };
}

async function statFiles<T>(raw: RawCase, statFile: (path: string) => Promise<T>): Promise<[path: string, found: T][]> {
  const files = await mapFiles([...raw.images, raw.label], async (path): Promise<[string, T]> => {
    const found = await statFile(path).catch((error) => {
      throw fileError(path, error);
    });
    return [path, found];
  });
  const beside = isTiff(raw.label) ? [spacingPath(raw.images[0], false), spacingPath(raw.label, true)] : [];
  const found = await mapFiles(beside, async (path): Promise<[string, T][]> => {
    const there = await ifThere(path, statFile(path));
    return there === null ? [] : [[path, there]];
  });
  return [...files, ...found.flat()];
}

/** Whether what was made from `before` is still what `now` would make. Names do not matter: a data set may move. */
export function sameSources(before: readonly SourceFile[], now: readonly SourceFile[]): boolean {
  return (
    before.length === now.length &&
    now.every(({ bytes, modifiedMs }, i) => bytes === before[i].bytes && modifiedMs === before[i].modifiedMs)
  );
}
