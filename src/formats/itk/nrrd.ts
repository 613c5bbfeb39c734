import { CaseError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import { gzipSync } from '../../common/zlib.ts';
import { bytesOf, type LabelVoxels } from '../label-voxels.ts';
import type { NumbersConstructor } from '../volume.ts';
import { type ItkHeader, numbersIn, REWRITE, severalNumbers } from './header.ts';

/** The names of types as the format has them (teem.sourceforge.net/nrrd/format.html). */
const TYPES: [NumbersConstructor, string[]][] = [
  [Int8Array, ['signed char', 'int8', 'int8_t']],
  [Uint8Array, ['uchar', 'unsigned char', 'uint8', 'uint8_t']],
  [Int16Array, ['short', 'short int', 'signed short', 'signed short int', 'int16', 'int16_t']],
  [Uint16Array, ['ushort', 'unsigned short', 'unsigned short int', 'uint16', 'uint16_t']],
  [Int32Array, ['int', 'signed int', 'int32', 'int32_t']],
  [Uint32Array, ['uint', 'unsigned int', 'uint32', 'uint32_t']],
  [BigInt64Array, ['longlong', 'long long', 'long long int', 'signed long long', 'signed long long int', 'int64', 'int64_t']],
  [BigUint64Array, ['ulonglong', 'unsigned long long', 'unsigned long long int', 'uint64', 'uint64_t']],
  [Float32Array, ['float']],
  [Float64Array, ['double']],
];

const ENCODINGS: Record<string, ItkHeader['encoding']> = {
  raw: 'raw',
  gz: 'deflate',
  gzip: 'deflate',
  txt: 'text',
  text: 'text',
  ascii: 'text',
};

/** Of spaces whose axes are known, what leads to left, posterior, superior; ITK leaves others as they are (`itkNrrdImageIO.cxx`). */
const TO_LPS: Record<string, number[]> = {
  'right-anterior-superior': [-1, -1, 1],
  ras: [-1, -1, 1],
  'left-anterior-superior': [1, -1, 1],
  las: [1, -1, 1],
};

/** Axes that run through space or time; all others are numbers of one voxel. */
const DOMAINS = ['domain', 'space', 'time', '???', 'none'];

/** Reads the header of an NRRD file. @param start its first bytes @throws CaseError */
export function parseNrrd(path: string, start: Buffer): ItkHeader {
  const fail = (what: string, action = REWRITE): never => {
    throw new CaseError(path, what, action);
  };
  const text = start.toString('latin1');
  if (!/^NRRD000\d\r?\n/.test(text)) fail('it is not an NRRD image (no NRRD header found)', 'Convert it to NRRD, or correct "file_ending"');
  const end = /\r?\n\r?\n/.exec(text);
  if (end === null) return fail(text.toLowerCase().includes('\ndata file:') ? DETACHED : 'its header has no end');
  const fields = new Map(
    text
      .slice(0, end.index)
      .split(/\r?\n/)
      .slice(1)
      .flatMap((line) => {
        // Keys of one's own are written with ":=".
        const match = /^([^#:]+): (.*)$/.exec(line);
        return match ? [[match[1].trim().toLowerCase(), match[2].trim()] as const] : [];
      }),
  );
  const field = (name: string): string => fields.get(name) ?? fail(`its header has no field "${name}"`);
  if (fields.has('data file') || fields.has('datafile')) fail(DETACHED);
  for (const skip of ['line skip', 'lineskip', 'byte skip', 'byteskip'])
    if (Number(fields.get(skip) ?? 0) !== 0) fail(`its header has a "${skip}"`);
  const Type = TYPES.find(([, names]) => names.includes(field('type').toLowerCase()))?.[0];
  if (Type === undefined) return fail(`its type ${field('type')} is not a single real number per voxel`);
  const encoding = ENCODINGS[field('encoding').toLowerCase()];
  if (encoding === undefined) return fail(`its encoding is ${field('encoding')}`, 'Write it with the encoding gzip or raw');
  const sizes = numbersIn(field('sizes'));
  const kinds = fields.get('kinds')?.split(/\s+/) ?? sizes.map(() => 'domain');
  const axes = sizes.flatMap((_, axis) => (DOMAINS.includes((kinds[axis] ?? 'domain').toLowerCase()) ? [axis] : []));
  const others = sizes.filter((_, axis) => !axes.includes(axis));
  if (voxels(others) !== 1) throw severalNumbers(path, voxels(others));
  const flip = TO_LPS[fields.get('space')?.toLowerCase() ?? ''] ?? [];
  const turned = (vector: number[]): number[] => vector.map((value, i) => value * (flip[i] ?? 1));
  const vectors = fields.get('space directions')?.match(/none|\([^)]*\)/g);
  const spacings = fields.get('spacings')?.split(/\s+/).map(Number);
  const geometry = axes.map((axis, i) => {
    const identity = axes.map((_, j) => Number(i === j));
    const vector = vectors?.[axis];
    if (vector === undefined || vector === 'none') return { spacing: known(spacings?.[axis]) ?? 1, direction: identity };
    const numbers = vectorIn(vector);
    const spacing = Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0));
    return { spacing, direction: turned(numbers).map((value) => value / spacing) };
  });
  const origin = fields.get('space origin');
  return {
    sizes: axes.map((axis) => sizes[axis]),
    spacing: geometry.map(({ spacing }) => spacing),
    directions: geometry.map(({ direction }) => direction),
    origin: origin === undefined ? axes.map(() => 0) : turned(vectorIn(origin)).map((value) => known(value) ?? 0),
    Type,
    littleEndian: encoding === 'text' || Type.BYTES_PER_ELEMENT === 1 || field('endian').toLowerCase() === 'little',
    offset: Buffer.byteLength(text.slice(0, end.index) + end[0], 'latin1'),
    encoding,
  };
}

/** A file of labels where an image lies. @returns its parts */
export function encodeNrrd(voxels: LabelVoxels, { sizes, spacing, origin, directions }: ItkHeader): Uint8Array[] {
  const vector = (values: readonly number[]): string => `(${values.join(',')})`;
  const lines = [
    'NRRD0004',
    `type: ${voxels.BYTES_PER_ELEMENT === 1 ? 'uint8' : 'uint16'}`,
    `dimension: ${sizes.length}`,
    sizes.length === 3 ? 'space: left-posterior-superior' : `space dimension: ${sizes.length}`,
    `sizes: ${sizes.join(' ')}`,
    `space directions: ${directions.map((direction, axis) => vector(direction.map((part) => part * spacing[axis]))).join(' ')}`,
    `kinds: ${sizes.map(() => 'domain').join(' ')}`,
    'endian: little',
    'encoding: gzip',
    `space origin: ${vector(origin)}`,
  ];
  return [Buffer.from(`${lines.join('\n')}\n\n`), gzipSync(bytesOf(voxels))];
}

const DETACHED = 'its voxels lie in another file';

const known = (value: number | undefined): number | undefined => (Number.isFinite(value) ? value : undefined);

/** "(1,0,0)". */
function vectorIn(text: string): number[] {
  return text.slice(1, -1).split(',').map(Number);
}
