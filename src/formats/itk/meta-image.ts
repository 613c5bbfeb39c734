import { CaseError } from '../../common/errors.ts';
import { deflateSync } from '../../common/zlib.ts';
import { bytesOf, type LabelVoxels } from '../label-voxels.ts';
import type { NumbersConstructor } from '../volume.ts';
import { type ItkHeader, numbersIn, REWRITE, severalNumbers } from './header.ts';

const TYPES: Record<string, NumbersConstructor> = {
  MET_CHAR: Int8Array,
  MET_UCHAR: Uint8Array,
  MET_SHORT: Int16Array,
  MET_USHORT: Uint16Array,
  MET_INT: Int32Array,
  MET_UINT: Uint32Array,
  MET_LONG_LONG: BigInt64Array,
  MET_ULONG_LONG: BigUint64Array,
  MET_FLOAT: Float32Array,
  MET_DOUBLE: Float64Array,
};

/** Reads the header of a MetaImage. @param start the file's first bytes @throws CaseError */
export function parseMetaImage(path: string, start: Buffer): ItkHeader {
  const fail = (what: string, action = REWRITE): never => {
    throw new CaseError(path, what, action);
  };
  const text = start.toString('latin1');
  // Not beyond the end of the line: voxels may look like spaces.
  const last = /^ElementDataFile[ \t]*[=:][ \t]*(.*?)[ \t]*\r?\n/m.exec(text);
  if (last === null || !/^[ -~\s]*$/.test(text.slice(0, last.index)))
    return fail('it is not a MetaImage (no header found)', 'Convert it to .mha, or correct "file_ending"');
  if (last[1].toLowerCase() !== 'local') fail(`its voxels lie in another file, ${last[1]}`);
  const fields = new Map(
    text
      .slice(0, last.index)
      .split(/\r?\n/)
      .flatMap((line) => {
        const match = /^\s*(\w+)\s*[=:]\s*(.*?)\s*$/.exec(line);
        return match ? [[match[1], match[2]] as const] : [];
      }),
  );
  const first = (...names: string[]): string | undefined => names.flatMap((name) => fields.get(name) ?? [])[0];
  const needed = (name: string): string => fields.get(name) ?? fail(`its header has no field "${name}"`);
  const isTrue = (...names: string[]): boolean => /^[t1]/i.test(first(...names) ?? '');
  const numbers = Number(fields.get('ElementNumberOfChannels') ?? 1);
  if (numbers !== 1) throw severalNumbers(path, numbers);
  if (!['0', undefined].includes(fields.get('HeaderSize'))) fail(`its header has a HeaderSize of ${fields.get('HeaderSize')}`);
  const Type = TYPES[needed('ElementType')];
  if (Type === undefined) return fail(`its ElementType ${fields.get('ElementType')} is not known here`);
  const sizes = numbersIn(needed('DimSize'));
  const axes = Number(needed('NDims'));
  if (sizes.length !== axes) fail(`its DimSize has ${sizes.length} sizes, NDims is ${axes}`);
  /** One number an axis, of the first field that is there. */
  const listed = (otherwise: number[], ...names: string[]): number[] => {
    const found = first(...names);
    const values = found === undefined ? otherwise : numbersIn(found);
    if (values.length !== otherwise.length || values.some((value) => !Number.isFinite(value)))
      fail(`its ${names.find((name) => fields.has(name))} is ${found}`);
    return values;
  };
  const packed = isTrue('CompressedData');
  const inWords = !packed && fields.has('BinaryData') && !isTrue('BinaryData');
  const littleEndian = !isTrue('BinaryDataByteOrderMSB', 'ElementByteOrderMSB');
  if (inWords && !littleEndian && Type.BYTES_PER_ELEMENT > 1) fail('its voxels are written in words, and big endian');
  const identity = sizes.flatMap((_, row) => sizes.map((_, column) => Number(row === column)));
  const matrix = listed(identity, 'TransformMatrix', 'Rotation', 'Orientation');
  return {
    sizes,
    spacing: listed(
      sizes.map(() => 1),
      'ElementSpacing',
      'ElementSize',
    ),
    origin: listed(
      sizes.map(() => 0),
      'Offset',
      'Position',
      'Origin',
    ),
    directions: sizes.map((_, axis) => matrix.slice(axis * axes, (axis + 1) * axes)),
    Type,
    littleEndian,
    offset: last.index + last[0].length,
    encoding: packed ? 'deflate' : inWords ? 'text' : 'raw',
  };
}

/** A file of labels where an image lies. @returns its parts */
export function encodeMetaImage(voxels: LabelVoxels, { sizes, spacing, origin, directions }: ItkHeader): Uint8Array[] {
  const packed = deflateSync(bytesOf(voxels));
  const lines = [
    'ObjectType = Image',
    `NDims = ${sizes.length}`,
    'BinaryData = True',
    'BinaryDataByteOrderMSB = False',
    'CompressedData = True',
    `CompressedDataSize = ${packed.length}`,
    `TransformMatrix = ${directions.flat().join(' ')}`,
    `Offset = ${origin.join(' ')}`,
    `ElementSpacing = ${spacing.join(' ')}`,
    `DimSize = ${sizes.join(' ')}`,
    `ElementType = ${voxels.BYTES_PER_ELEMENT === 1 ? 'MET_UCHAR' : 'MET_USHORT'}`,
    'ElementDataFile = LOCAL',
  ];
  return [Buffer.from(`${lines.join('\n')}\n`), packed];
}
