import * as v from 'valibot';
import { voxels } from '../common/geometry.ts';
import { faultOf, isPlainObject, shown } from '../common/options.ts';
import { byName, list, object, text, that, wholeNumber } from '../common/schemas.ts';

/** A tensor of float32 values by its name. */
export interface NamedTensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

/**
 * The safetensors format: the length of a JSON header as 64 bits, the header, then the values one tensor after the other, little
 * endian. PyTorch reads it with `safetensors.torch.load_file`.
 */
export function encodeSafetensors(tensors: readonly NamedTensor[], metadata: Record<string, string> = {}): Uint8Array[] {
  let offset = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const from = offset;
    offset += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [from, offset] }];
  });
  // Values begin at a multiple of 8 bytes: the header may end in spaces.
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const header = Buffer.from(json.padEnd(8 * Math.ceil(Buffer.byteLength(json) / 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return [length, header, ...tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

/** A length that no header has (the format's own limit). */
const LONGEST_HEADER = 100e6;

const HEADER = byName(
  object({
    dtype: text(),
    shape: list(wholeNumber(0, 2 ** 40)),
    data_offsets: v.strictTuple(
      [wholeNumber(0, Number.MAX_SAFE_INTEGER), wholeNumber(0, Number.MAX_SAFE_INTEGER)],
      'it is not two offsets',
    ),
  }),
);

/** The tensors by name, and what else the header says. @throws RangeError saying what is wrong with the bytes */
export function decodeSafetensors(bytes: Buffer): { tensors: Map<string, NamedTensor>; metadata: Record<string, string> } {
  const length = bytes.length >= 8 ? Number(bytes.readBigUInt64LE()) : Number.POSITIVE_INFINITY;
  if (length > LONGEST_HEADER || 8 + length > bytes.length) throw new RangeError('it ends in its header');
  const { entries, metadata } = parseHeader(bytes.toString('utf8', 8, 8 + length));
  const tensors = new Map<string, NamedTensor>();
  let end = 0;
  // One after the other, without gaps: so every byte belongs to one tensor.
  for (const [name, { dtype, shape, data_offsets }] of entries.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0])) {
    const [from, to] = data_offsets;
    if (dtype !== 'F32') throw new RangeError(`${shown(name)} is ${shown(dtype)}, not F32`);
    if (8 + length + to > bytes.length) throw new RangeError('it ends before its last value');
    if (from !== end) throw new RangeError(`${shown(name)} begins at byte ${from} of the values, not where the one before it ends, ${end}`);
    if (to - from !== 4 * voxels(shape)) throw new RangeError(`${shown(name)} has ${(to - from) / 4} values, not those of its shape`);
    // A copy: values must lie at a multiple of 4 bytes.
    const data = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + 8 + length + from, bytes.byteOffset + 8 + length + to) as ArrayBuffer,
    );
    tensors.set(name, { name, shape, data });
    end = to;
  }
  if (8 + length + end !== bytes.length) throw new RangeError(`${bytes.length - 8 - length - end} bytes follow its last value`);
  return { tensors, metadata };
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const METADATA = byName(that('a text', (value) => typeof value === 'string'));

function parseHeader(text: string): { entries: [string, Entry][]; metadata: Record<string, string> } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`its header is not JSON (${(error as Error).message.replace(/\s+/g, ' ')})`);
  }
  const { __metadata__: metadata = {}, ...entries } = isPlainObject(header) ? header : { header };
  const fault = faultOf(HEADER, entries) ?? faultOf(object({ __metadata__: METADATA }), { __metadata__: metadata });
  if (fault !== null) throw new RangeError(`its header has ${fault.within.slice(1)}: ${fault.what}`);
  return { entries: Object.entries(entries as Record<string, Entry>), metadata: metadata as Record<string, string> };
}
