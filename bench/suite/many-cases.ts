import { existsSync, linkSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { openStore, type Store, writeStore } from '../../src/index.ts';
import { writeIndex } from '../../src/preprocessing/write-index.ts';
import { COUNTS_FILE, caseFiles, INDEX_FILE } from '../../src/store/file-names.ts';
import { CACHE } from './configurations.ts';

/** So many cases are really different. */
export const FEW = 100;

/** A store of many small cases. */
export interface Many {
  name: string;
  dir: string;
}

const idOf = (number: number): string => `case_${String(number).padStart(6, '0')}`;

/** Makes them, in the cache, where they are not there yet. Each case has all classes, with up to 1,000 stored locations of each. */
export async function manyCases(wanted: readonly { cases: number; classes: number }[]): Promise<Many[]> {
  const stores: Many[] = [];
  for (const { cases, classes } of wanted) stores.push(await makeMany(cases, classes));
  return stores;
}

async function makeMany(count: number, classes: number): Promise<Many> {
  const name = `${count.toLocaleString('en-GB')} cases, ${classes} ${classes === 1 ? 'class' : 'classes'}`;
  const few = join(CACHE, `${FEW}-cases-${classes}`);
  const dir = count === FEW ? few : join(CACHE, `${count}-cases-${classes}`);
  if (!isThere(few)) await writeFew(few, classes);
  if (!isThere(dir)) await repeat(await openStore(few), dir, count);
  return { name, dir };
}

/** Whole, and not in the format of an earlier version. */
function isThere(dir: string): boolean {
  return [COUNTS_FILE, INDEX_FILE].every((name) => existsSync(join(dir, name)));
}

async function writeFew(dir: string, classes: number): Promise<void> {
  rmSync(dir, { recursive: true, force: true });
  const shape: Triple = classes === 1 ? [8, 8, 8] : [64, 64, 64];
  const size = voxels(shape);
  const cases = Array.from({ length: FEW }, (_, number) => ({
    id: idOf(number),
    shape,
    image: new Float32Array(size).fill(number),
    segmentation: Int16Array.from({ length: size }, (_, voxel) => Math.max(0, Math.floor(((classes + 1) * voxel) / size))),
  }));
  const labels = Object.fromEntries(Array.from({ length: classes }, (_, i) => [`class_${i + 1}`, i + 1]));
  await writeStore(dir, { name: 'many', channels: ['made up'], labels: { background: 0, ...labels }, cases });
}

/** The same cases over and over, under other names: their files are links, as writing so many would take minutes. */
async function repeat(few: Store, dir: string, count: number): Promise<void> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const cases = Array.from({ length: count }, (_, number) => {
    const like = few.cases[number % FEW];
    const [from, to] = [caseFiles(few.dir, like.id), caseFiles(dir, idOf(number))];
    for (const file of ['data', 'segmentation', 'sidecar'] as const) linkSync(from[file], to[file]);
    return { ...like, id: idOf(number), coverage: [] };
  });
  const { format, version, hash, coverage, xxh64, ...about } = few.index;
  await writeIndex(dir, { ...about, cases, files: {} });
}
