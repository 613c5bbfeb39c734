import { readFileSync } from 'node:fs';
import { Packr } from 'msgpackr/pack';
import * as v from 'valibot';
import { fileError, StoreError } from '../common/errors.ts';
import { type Box, type Triple, voxels } from '../common/geometry.ts';
import type { Checksum } from '../common/hash.ts';
import { fileName } from '../common/names.ts';
import { faultOf } from '../common/options.ts';
import { list, number, object, that, triple, wholeNumber } from '../common/schemas.ts';
import type { Line } from '../formats/int16.ts';
import type { ClassLocations } from './class-locations.ts';
import { anyText, axes, coverage, hash, lines, shape, spacing, storedFile } from './file-schemas.ts';

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

/** How often a random patch of one case holds foreground. */
export interface Coverage {
  /** Of the patch this was measured with, array order; a 2D patch has 1 along axis 0. */
  patch: Triple;
  /** The part of all random patches that hold any foreground voxel, 0 to 1. */
  any: number;
  /** The same for each class of the data set ("annotated" is left out: its entry is 0). 0 where the case has none of it. */
  classes: number[];
}

/** Everything about one stored case besides its voxels: the contents of `CASE.msgpack`. */
export interface Sidecar {
  format: 'voxfeed-case';
  version: 2;
  id: string;
  channels: number;
  /** Stored shape and spacing in millimetres, in the stored order of axes. */
  shape: Triple;
  spacing: Triple;
  /** Stored axis i is axis `transpose[i]` of the raw volume [z, y, x]. */
  transpose: Triple;
  /** Of the raw volume, in stored axis order: its spacing, its shape, and the box that was resampled to `shape`. */
  rawSpacing: Triple;
  shapeBeforeCrop: Triple;
  cropBox: Box;
  /** Of the raw file: voxel (x, y, z, 1) to millimetres. */
  affine: number[][];
  /** How often random patches of the planned sizes hold foreground; empty where that was not measured. */
  coverage: Coverage[];
  /** Of the options it was written with. */
  optionsHash: string;
  sources: SourceFile[];
  files: { data: StoredFile; segmentation: StoredFile };
  /** What the int16 of the image stand for, one entry a channel; left out where they are none. */
  lines?: Line[];
  classes: ClassLocations[];
  /** Of all the rest; see `sidecarChecksum`. */
  xxh64: string;
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

const bytesOfLocations = () => that<Uint8Array>('bytes, four a location', (value) => value instanceof Uint8Array && value.length % 4 === 0);

const SIDECAR = object({
  id: fileName(),
  channels: wholeNumber(1, 2 ** 16),
  shape: shape(),
  spacing: spacing(),
  transpose: axes(),
  rawSpacing: spacing(),
  shapeBeforeCrop: shape(),
  cropBox: object({ lower: triple(wholeNumber(0, 2 ** 31)), upper: triple(wholeNumber(1, 2 ** 31)) }),
  affine: that('four rows of four numbers, or none', (value) => isMatrix(value)),
  coverage: coverage(),
  optionsHash: anyText(),
  sources: list(object({ name: anyText(), bytes: number(), modifiedMs: number() })),
  files: object({ data: storedFile(), segmentation: storedFile() }),
  lines: v.optional(lines()),
  classes: list(object({ labels: list(wholeNumber(-1, 32767)), voxels: v.nullable(number(0)), locations: bytesOfLocations() })),
  xxh64: hash(),
});

function isMatrix(value: unknown): boolean {
  const isRow = (row: unknown): boolean => Array.isArray(row) && row.length === 4 && row.every((number) => Number.isFinite(number));
  return Array.isArray(value) && (value.length === 0 || (value.length === 4 && value.every(isRow)));
}

/** @throws StoreError, FileError naming `path` */
export function readSidecarFile(path: string, checksum: Checksum): Sidecar {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError(path, error);
  }
  const sidecar = decodeSidecar(path, bytes);
  if (sidecarChecksum(checksum, sidecar) !== sidecar.xxh64)
    throw new StoreError(
      path,
      'it is damaged (its contents do not match its checksum)',
      'Run `voxfeed preprocess` again; it replaces damaged files',
    );
  return sidecar;
}

/** @throws StoreError naming `path`. */
export function decodeSidecar(path: string, bytes: Uint8Array): Sidecar {
  const damaged = (why: string): StoreError =>
    new StoreError(path, `it is damaged (${why})`, 'Run `voxfeed preprocess` again; it replaces damaged files');
  let content: (Omit<Sidecar, 'classes'> & { classes: PackedClass[] }) | null;
  try {
    content = packr.unpack(bytes);
  } catch {
    throw damaged('it is no MessagePack');
  }
  if (content?.format !== 'voxfeed-case' || content.version !== 2) {
    throw new StoreError(path, 'it is not a case of a voxfeed store of version 2', 'Preprocess the data set into a new folder');
  }
  const fault = faultOf(SIDECAR, content);
  if (fault !== null) throw damaged(`${fault.within.slice(1)}: ${fault.what}`);
  const { classes, shape } = content;
  const locations = alignedParts(classes.map((entry) => entry.locations));
  const unpacked = classes.map((entry, i) => ({ ...entry, locations: locations[i] }));
  const count = voxels(shape);
  if (unpacked.some(({ locations }) => highest(locations) >= count)) throw damaged('locations lie outside the volume');
  return { ...content, classes: unpacked };
}

/** A copy, because bytes in a file may begin at any address; one for all, as a stream of 300 classes waits for it. */
function alignedParts(parts: readonly Uint8Array[]): Uint32Array[] {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  return parts.map((part) => {
    bytes.set(part, end);
    end += part.length;
    return new Uint32Array(bytes.buffer, end - part.length, part.length / 4);
  });
}

/** A loop, for the same reason. */
function highest(locations: Uint32Array): number {
  let most = 0;
  for (let i = 0; i < locations.length; i++) if (locations[i] > most) most = locations[i];
  return most;
}

/** Finds damage anywhere in a sidecar that can still be unpacked. */
export function sidecarChecksum(
  checksum: Checksum,
  { xxh64: _, classes, ...rest }: Sidecar | (Omit<Sidecar, 'xxh64'> & { xxh64?: string }),
): string {
  const sizes = classes.map(({ labels, voxels, locations }) => [labels, voxels, locations.length]);
  return checksum(JSON.stringify([rest, sizes], withBigInts), ...classes.map(({ locations }) => locations));
}

/** Damage may turn a number into one that JSON cannot write. */
function withBigInts(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}
