import { Packr } from 'msgpackr';
import { StoreError } from '../errors.ts';
import { type Triple, voxels } from '../geometry.ts';
import type { ClassLocations } from './class-locations.ts';

/** A file a case depends on, and how to tell that it changed. */
export interface SourceFile {
  /** File name without its folder: moving a data set does not outdate its store. */
  name: string;
  bytes: number;
  modifiedMs: number;
}

/** A written file and the xxHash64 of its bytes. */
export interface StoredFile {
  bytes: number;
  xxh64: string;
}

/** Everything about one stored case besides its voxels: the contents of `CASE.msgpack`. */
export interface Sidecar {
  format: 'voxfeed-case';
  version: 1;
  id: string;
  channels: number;
  /** Stored shape [z, y, x] and spacing in millimetres. */
  shape: Triple;
  spacing: Triple;
  shapeBeforeCrop: Triple;
  /** Where the stored volume lies in the raw one. */
  cropBox: { lower: Triple; upper: Triple };
  affine: number[][];
  /** Of the options it was written with. */
  optionsHash: string;
  sources: SourceFile[];
  files: { data: StoredFile; segmentation: StoredFile };
  classes: ClassLocations[];
}

/** Plain MessagePack maps: any reader of any language understands them. */
const packr = new Packr({ useRecords: false });

/** Locations travel as bytes (little-endian uint32), a tenth of the size and time of MessagePack integers. */
type PackedClass = Omit<ClassLocations, 'locations'> & { locations: Uint8Array };

export function encodeSidecar(sidecar: Sidecar): Buffer {
  const classes: PackedClass[] = sidecar.classes.map((entry) => ({
    ...entry,
    locations: new Uint8Array(entry.locations.buffer, entry.locations.byteOffset, entry.locations.byteLength),
  }));
  return packr.pack({ ...sidecar, classes });
}

/** @throws StoreError naming `path`. */
export function decodeSidecar(path: string, bytes: Uint8Array): Sidecar {
  const damaged = (why: string): StoreError =>
    new StoreError(path, `it is damaged (${why})`, 'Run `voxfeed preprocess` again; it replaces damaged files');
  let content: (Omit<Sidecar, 'classes'> & { classes: PackedClass[] }) | null;
  try {
    content = packr.unpack(bytes);
  } catch (error) {
    throw damaged((error as Error).message);
  }
  if (content?.format !== 'voxfeed-case' || content.version !== 1) {
    throw new StoreError(path, 'it is not a case of a voxfeed store of version 1', 'Preprocess the data set into a new folder');
  }
  const { classes, shape } = content;
  if (
    !Array.isArray(classes) ||
    !Array.isArray(shape) ||
    classes.some(({ locations }) => !(locations instanceof Uint8Array) || locations.length % 4 !== 0)
  ) {
    throw damaged('fields are missing');
  }
  // A copy, because the bytes may begin at any address.
  const unpacked = classes.map((entry) => ({ ...entry, locations: new Uint32Array(Uint8Array.from(entry.locations).buffer) }));
  const count = voxels(shape);
  if (unpacked.some(({ locations }) => locations.some((location) => location >= count))) throw damaged('locations lie outside the volume');
  return { ...content, classes: unpacked };
}
