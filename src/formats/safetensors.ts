import { voxels } from '../common/geometry.ts';

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

/** @throws RangeError saying what is wrong with the bytes */
export function decodeSafetensors(bytes: Buffer): Map<string, NamedTensor> {
  const length = bytes.length >= 8 ? Number(bytes.readBigUInt64LE()) : Number.POSITIVE_INFINITY;
  if (8 + length > bytes.length) throw new RangeError('it ends in its header');
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  } catch (error) {
    throw new RangeError(`its header is not JSON (${(error as Error).message})`);
  }
  const tensors = new Map<string, NamedTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets } = entry;
    const [from, to] = data_offsets;
    if (dtype !== 'F32') throw new RangeError(`${name} is ${dtype}, not F32`);
    if (8 + length + to > bytes.length) throw new RangeError('it ends before its last value');
    if (to - from !== 4 * voxels(shape)) throw new RangeError(`${name} has ${(to - from) / 4} values, not those of its shape`);
    // A copy: values must lie at a multiple of 4 bytes.
    const data = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + 8 + length + from, bytes.byteOffset + 8 + length + to) as ArrayBuffer,
    );
    tensors.set(name, { name, shape, data });
  }
  return tensors;
}
