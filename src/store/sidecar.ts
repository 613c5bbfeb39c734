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
import { CHECKSUM_BYTES, checksumsOf } from './one-class.ts';

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
  /** 2 of those that were written before the locations of a class could be read alone. */
  version: 2 | 3;
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
}

/** Plain MessagePack maps: any reader of any language understands them. */
const packr = new Packr({ useRecords: false });

/**
 * As it is written. Locations travel as bytes (little-endian uint32), a tenth of the size and time of MessagePack integers; those of all
 * classes together, at the end of the file, behind a checksum for each class: so that those of one can be read alone.
 */
interface SidecarFile extends Omit<Sidecar, 'version' | 'classes'> {
  version: 3;
  /** `stored`: how many locations there are. */
  classes: (Omit<ClassLocations, 'locations'> & { stored: number })[];
  /** Of all but `locations`, and of the checksums in it. */
  xxh64: string;
  locations: Uint8Array;
}

/** Version 2: each class has its own. */
interface SidecarFile2 extends Omit<SidecarFile, 'version' | 'classes' | 'locations'> {
  version: 2;
  classes: (Omit<ClassLocations, 'locations'> & { locations: Uint8Array })[];
}

/** With a checksum that finds damage anywhere in it. */
export function encodeSidecar(sidecar: Sidecar, checksum: Checksum): Buffer {
  const written = { ...sidecar, version: 3 as const };
  const { classes, ...rest } = written;
  const sums = checksumsOf(classes, checksum);
  const content: SidecarFile = {
    ...rest,
    classes: classes.map(({ labels, voxels, locations }) => ({ labels, voxels, stored: locations.length })),
    xxh64: sidecarChecksum(checksum, written, [sums]),
    // Last: so that they are where the file ends.
    locations: Buffer.concat([sums, ...classes.map(({ locations }) => bytesOf(locations))]),
  };
  return packr.pack(content);
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

const bytesOfLocations = () => that<Uint8Array>('bytes, four a location', (value) => value instanceof Uint8Array && value.length % 4 === 0);

const COMMON = {
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
  xxh64: hash(),
};

const CLASS = { labels: list(wholeNumber(-1, 32767)), voxels: v.nullable(number(0)) };
const SIDECAR_3 = object({
  ...COMMON,
  classes: list(object({ ...CLASS, stored: wholeNumber(0, 2 ** 32) })),
  locations: bytesOfLocations(),
});
const SIDECAR_2 = object({ ...COMMON, classes: list(object({ ...CLASS, locations: bytesOfLocations() })) });

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
  return decodeSidecar(path, bytes, checksum);
}

/** @throws StoreError naming `path`, for damage anywhere in it */
export function decodeSidecar(path: string, bytes: Uint8Array, checksum: Checksum): Sidecar {
  const damaged = (why: string): StoreError =>
    new StoreError(path, `it is damaged (${why})`, 'Run `voxfeed preprocess` again; it replaces damaged files');
  let content: SidecarFile | SidecarFile2 | null;
  try {
    content = packr.unpack(bytes);
  } catch {
    throw damaged('it is no MessagePack');
  }
  if (content?.format !== 'voxfeed-case' || (content.version !== 2 && content.version !== 3)) {
    throw new StoreError(path, 'it is not a case of a voxfeed store of version 2 or 3', 'Preprocess the data set into a new folder');
  }
  const fault = faultOf(content.version === 2 ? SIDECAR_2 : SIDECAR_3, content);
  if (fault !== null) throw damaged(`${fault.within.slice(1)}: ${fault.what}`);
  const parts = partsOf(content);
  if (parts === null) throw damaged('locations: there are not as many as its classes have');
  const locations = alignedParts(parts.classes);
  const count = voxels(content.shape);
  if (locations.some((found) => highest(found) >= count)) throw damaged('locations lie outside the volume');
  const { xxh64, locations: _, ...rest } = content as SidecarFile;
  const sidecar: Sidecar = {
    ...rest,
    version: content.version,
    classes: content.classes.map(({ labels, voxels }, i) => ({ labels, voxels, locations: locations[i] })),
  };
  if (sidecarChecksum(checksum, sidecar, parts.checksums === null ? locations : [parts.checksums]) !== xxh64)
    throw damaged('its contents do not match its checksum');
  if (parts.checksums !== null && Buffer.compare(checksumsOf(sidecar.classes, checksum), parts.checksums) !== 0)
    throw damaged('its class locations do not match their checksums');
  return sidecar;
}

/** The bytes of the locations of each class, and of their checksums; null where there are more or fewer. */
function partsOf(content: SidecarFile | SidecarFile2): { checksums: Uint8Array | null; classes: Uint8Array[] } | null {
  if (content.version === 2) return { checksums: null, classes: content.classes.map(({ locations }) => locations) };
  const { classes, locations: block } = content;
  let end = CHECKSUM_BYTES * classes.length;
  const checksums = block.subarray(0, end);
  const parts = classes.map(({ stored }) => {
    end += 4 * stored;
    return block.subarray(end - 4 * stored, end);
  });
  return end === block.length ? { checksums, classes: parts } : null;
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

/** Of everything but the locations as JSON, and of what stands for these: the checksums of each class, in version 2 all of them. */
function sidecarChecksum(checksum: Checksum, { classes, ...rest }: Sidecar, locations: readonly ArrayBufferView[]): string {
  const sizes = classes.map(({ labels, voxels, locations }) => [labels, voxels, locations.length]);
  return checksum(JSON.stringify([rest, sizes], withBigInts), ...locations);
}

/** Damage may turn a number into one that JSON cannot write. */
function withBigInts(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}
