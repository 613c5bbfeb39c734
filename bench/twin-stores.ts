import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { type Triple, voxels } from '../src/common/geometry.ts';
import { hasher } from '../src/common/hash.ts';
import { B2ndArray } from '../src/formats/b2nd/array.ts';
import { DenseReader } from '../src/formats/b2nd/dense.ts';
import { type LargestBlock, largestBlock } from '../src/formats/b2nd/head.ts';
import { openStore, type Store, writeStore } from '../src/index.ts';
import type { StoreCase } from '../src/preprocessing/check-case.ts';
import { caseFiles, INDEX_FILE } from '../src/store/file-names.ts';
import { encodeIndex } from '../src/store/store-index.ts';

/** The same voxels as .npy, which we write, and as .b2nd, which nnU-Net wrote. */
export interface TwinStores {
  npy: Store;
  b2nd: Store;
}

/**
 * Makes both of a folder of nnU-Net's, "nnUNet_preprocessed/DATASET/nnUNetPlans_3d_fullres", inside `dir`: they stay there for other runs.
 * Channels and labels come from the dataset.json beside the folder.
 */
export async function twinStores(folder: string, dir: string): Promise<TwinStores> {
  const [npy, b2nd] = [join(dir, 'npy'), join(dir, 'b2nd')];
  if (existsSync(join(b2nd, INDEX_FILE))) return { npy: await openStore(npy), b2nd: await openStore(b2nd) };
  rmSync(dir, { recursive: true, force: true });
  const dataset = JSON.parse(readFileSync(join(folder, '../dataset.json'), 'utf8'));
  const ids = readdirSync(folder).flatMap((name) => (/^(.*)(?<!_seg)\.b2nd$/.exec(name) ?? []).slice(1));
  const blocks: LargestBlock[] = [];
  const content = { name: 'twin', channels: Object.values<string>(dataset.channel_names), labels: dataset.labels };
  const store = await writeStore(npy, { ...content, cases: decoded(folder, ids.sort(), blocks) });

  mkdirSync(b2nd);
  const cases = store.cases.map((entry) => {
    const [from, to] = [caseFiles(resolve(folder), entry.id, 'b2nd'), caseFiles(b2nd, entry.id, 'b2nd')];
    symlinkSync(from.data, to.data);
    symlinkSync(from.segmentation, to.segmentation);
    symlinkSync(resolve(caseFiles(npy, entry.id).sidecar), to.sidecar);
    const file = (path: string) => ({ bytes: statSync(path).size, xxh64: '' });
    return { ...entry, files: { data: file(from.data), segmentation: file(from.segmentation) } };
  });
  const largest = { bytes: Math.max(...blocks.map(({ bytes }) => bytes)), channels: Math.max(...blocks.map(({ channels }) => channels)) };
  const index = { ...store.index, labelDtype: 'int16' as const, arrays: 'b2nd' as const, largestBlock: largest, cases, files: {} };
  writeFileSync(join(b2nd, INDEX_FILE), encodeIndex(await hasher(), index));
  return { npy: store, b2nd: await openStore(b2nd) };
}

function* decoded(folder: string, ids: readonly string[], blocks: LargestBlock[]): Generator<StoreCase> {
  for (const id of ids) {
    const { data, segmentation } = caseFiles(folder, id, 'b2nd');
    const [image, labels] = [data, segmentation].map((path) => {
      const array = new B2ndArray(path, openSync(path, 'r'));
      blocks.push(largestBlock([array.head]));
      const { shape } = array.grid;
      const bytes = new DenseReader(array.head.blockBytes).read(array, { lower: [0, 0, 0, 0], upper: shape });
      closeSync(array.fd);
      return { bytes, shape };
    });
    const shape = image.shape.slice(1) as Triple;
    const channels = image.shape[0];
    const dense = new Float32Array(image.bytes.buffer, 0, channels * voxels(shape));
    yield { id, shape, image: dense, segmentation: new Int16Array(labels.bytes.buffer) };
  }
}
