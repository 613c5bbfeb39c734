import { CaseError } from '../../common/errors.ts';
import { bytesOf, type LabelVoxels } from '../label-voxels.ts';
import type { NumbersConstructor } from '../volume.ts';
import { type ItkHeader, REWRITE } from './header.ts';

const HEADER_BYTES = 256;
const MAGIC = [0xefffe9b0, 0x2ae389b8];
/** Where what is in the header, in bytes (`itkGiplImageIO.cxx`); big endian as everything. */
const AT = { sizes: 0, type: 8, spacing: 10, origin: 204, magic: 252 };

const TYPES: Record<number, NumbersConstructor> = {
  1: Uint8Array,
  7: Int8Array,
  8: Uint8Array,
  15: Int16Array,
  16: Uint16Array,
  64: Float32Array,
  65: Float64Array,
};

/** Reads the header of a GIPL file, which knows no directions. @param start its first bytes @throws CaseError */
export function parseGipl(path: string, start: Buffer): ItkHeader {
  if (start.length < HEADER_BYTES || !MAGIC.includes(start.readUInt32BE(AT.magic)))
    throw new CaseError(path, 'it is not a GIPL image (no GIPL header found)', 'Convert it to .gipl, or correct "file_ending"');
  const type = start.readUInt16BE(AT.type);
  const Type = TYPES[type];
  if (Type === undefined) throw new CaseError(path, `its image type ${type} is not one that ITK reads`, REWRITE);
  const [width, height, depth, more] = [0, 1, 2, 3].map((axis) => start.readUInt16BE(AT.sizes + 2 * axis));
  const sizes = more > 1 ? [width, height, depth, more] : [width, height, depth];
  return {
    sizes,
    spacing: sizes.map((_, axis) => start.readFloatBE(AT.spacing + 4 * axis)),
    origin: sizes.map((_, axis) => start.readDoubleBE(AT.origin + 8 * axis)),
    directions: sizes.map((_, row) => sizes.map((_, column) => Number(row === column))),
    Type,
    littleEndian: false,
    offset: HEADER_BYTES,
    encoding: 'raw',
  };
}

/** A file of labels where an image lies. @returns its parts */
export function encodeGipl(voxels: LabelVoxels, { sizes, spacing, origin }: ItkHeader): Uint8Array[] {
  const wide = voxels.BYTES_PER_ELEMENT === 2;
  const head = Buffer.alloc(HEADER_BYTES);
  for (const axis of [0, 1, 2, 3]) {
    head.writeUInt16BE(sizes[axis] ?? 1, AT.sizes + 2 * axis);
    head.writeFloatBE(spacing[axis] ?? 1, AT.spacing + 4 * axis);
    head.writeDoubleBE(origin[axis] ?? 0, AT.origin + 8 * axis);
  }
  head.writeUInt16BE(wide ? 16 : 8, AT.type);
  head.writeUInt32BE(MAGIC[0], AT.magic);
  // A copy: its bytes are swapped.
  return [head, wide ? bytesOf(voxels.slice()).swap16() : bytesOf(voxels)];
}
