import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Store, writeStore } from '../../src/index.ts';
import type { StoreCase } from '../../src/preprocessing/check-case.ts';
import { caseFiles, DATASET_FILE, INDEX_FILE } from '../../src/store/file-names.ts';
import { readArray, readSegmentation } from '../../src/store/whole-array.ts';

/** The same voxels as .npy, which we write, and as .b2nd, which nnU-Net wrote. */
export interface TwinStores {
  npy: Store;
  b2nd: Store;
}

/** Opens a folder of nnU-Net's, and makes a store of its voxels in `dir`, which stays there for other runs. */
export async function twinStores(folder: string, dir: string): Promise<TwinStores> {
  const b2nd = await openStore(folder);
  if (existsSync(join(dir, INDEX_FILE))) return { npy: await openStore(dir), b2nd };
  rmSync(dir, { recursive: true, force: true });
  const { labels } = JSON.parse(readFileSync(join(b2nd.aboutDir, DATASET_FILE), 'utf8'));
  const npy = await writeStore(dir, { name: 'twin', channels: b2nd.index.channels, labels, cases: decoded(b2nd) });
  return { npy, b2nd };
}

function* decoded({ dir, cases }: Store): Generator<StoreCase> {
  for (const { id, shape } of cases) {
    const { data, segmentation } = caseFiles(dir, id, 'b2nd');
    const image = readArray(data, 'b2nd', 'data').data as Float32Array;
    yield { id, shape, image, segmentation: readSegmentation(segmentation, 'b2nd') };
  }
}
