import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Store, writeStore } from '../../src/index.ts';
import type { StoreCase } from '../../src/preprocessing/check-case.ts';
import { type ArrayFormat, caseFiles, DATASET_FILE, INDEX_FILE } from '../../src/store/file-names.ts';
import { readArray, readSegmentation } from '../../src/store/whole-array.ts';

/** The same voxels as .npy, which we write, and as .b2nd, which nnU-Net wrote. */
export interface TwinStores {
  npy: Store;
  b2nd: Store;
}

/** A store of the same cases with images of float16, beside it; it stays there for other runs. */
export function compactTwin(store: Store): Promise<Store> {
  return twinOf(store, `${store.dir}-float16`, 'npy', 'float16');
}

/** Opens a folder of nnU-Net's, and makes a store of its voxels in `dir`, which stays there for other runs. */
export async function twinStores(folder: string, dir: string): Promise<TwinStores> {
  const b2nd = await openStore(folder);
  return { npy: await twinOf(b2nd, dir, 'b2nd', 'float32'), b2nd };
}

async function twinOf(store: Store, dir: string, format: ArrayFormat, dtype: 'float32' | 'float16'): Promise<Store> {
  if (existsSync(join(dir, INDEX_FILE))) return openStore(dir);
  rmSync(dir, { recursive: true, force: true });
  const { labels } = JSON.parse(readFileSync(join(store.aboutDir, DATASET_FILE), 'utf8'));
  return writeStore(dir, { name: 'twin', channels: store.index.channels, labels, cases: decoded(store, format), dtype });
}

function* decoded({ dir, cases }: Store, format: ArrayFormat): Generator<StoreCase> {
  for (const { id, shape } of cases) {
    const { data, segmentation } = caseFiles(dir, id, format);
    const image = readArray(data, format, 'data').data as Float32Array;
    yield { id, shape, image, segmentation: readSegmentation(segmentation, format) };
  }
}
