import { basename, resolve } from 'node:path';
import type { Checksum } from '../common/hash.ts';
import { isAddress } from '../common/names.ts';
import type { Expected } from '../remote/download.ts';
import { type ArrayFormat, caseFiles } from '../store/file-names.ts';
import type { Store } from '../store/store.ts';
import { type StoredCase, wasWritten } from '../store/store-index.ts';
import type { Item } from './cache-folder.ts';

/** Files of a case, as they come from the store. */
export interface CaseItem extends Item {
  caseNumber: number;
  files: readonly ({ name: string } & Expected)[];
}

/**
 * What is copied of a case: its arrays; and apart from them its sidecar, of which planning may need all that there are. Keys are made of
 * what the index says of their contents: a store that was written anew has others, and the same store at another place has the same.
 */
export interface CaseItems {
  arrays: CaseItem;
  /** Null of nnU-Net's folders, whose class locations are kept elsewhere. */
  sidecar: CaseItem | null;
}

/** What the arrays of a case take; in an archive, both are in one file. */
export function arrayBytes({ files }: StoredCase, format?: ArrayFormat): number {
  return files.data.bytes + (format === 'npz' ? 0 : files.segmentation.bytes);
}

/** Of the cases of a store, each made when it is first asked for: of 100,000, hashing all would take a second. */
export function itemsOf(store: Pick<Store, 'dir' | 'index'>, checksum: Checksum): (caseNumber: number) => CaseItems {
  const made = new Map<number, CaseItems>();
  return (caseNumber) => {
    const items = made.get(caseNumber) ?? itemsOfCase(store, caseNumber, checksum);
    made.set(caseNumber, items);
    return items;
  };
}

function itemsOfCase({ dir, index }: Pick<Store, 'dir' | 'index'>, caseNumber: number, checksum: Checksum): CaseItems {
  const { arrays: format, optionsHash, cases } = index;
  const { id, shape, files, locations, locationsXxh64, classesXxh64 } = cases[caseNumber];
  const ours = wasWritten(index);
  const paths = caseFiles('', id, format);
  // The index of nnU-Net's has hashes of parts of files only.
  const expected = ({ bytes, xxh64 }: Expected): Expected => ({ bytes, xxh64: ours ? xxh64 : null });
  const data = { name: basename(paths.data), ...expected(files.data) };
  const segmentation = { name: basename(paths.segmentation), ...expected(files.segmentation) };
  const place = ours || isAddress(dir) ? '' : resolve(dir);
  const item = (what: unknown, bytes: number, parts: CaseItem['files']): CaseItem => ({
    key: checksum(JSON.stringify([id, what])),
    bytes,
    caseNumber,
    files: parts,
  });
  const sidecarBytes = locations.reduce((sum, count) => sum + 12 + 4 * count, 4096);
  return {
    arrays: item([place, format ?? 'npy', files], arrayBytes(cases[caseNumber], format), format === 'npz' ? [data] : [data, segmentation]),
    sidecar: ours
      ? item([shape, classesXxh64 ?? locationsXxh64, optionsHash], sidecarBytes, [
          { name: basename(paths.sidecar), bytes: null, xxh64: null },
        ])
      : null,
  };
}
