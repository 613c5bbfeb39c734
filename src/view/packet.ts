/** What a packet's header says of an array that follows. */
export interface ArrayFacts {
  /** As numpy has it. */
  dtype: 'f4' | 'i2' | 'i1' | 'u1' | 'i4';
  shape: readonly number[];
  /** In bytes, from the end of the header. */
  offset: number;
}

export type PacketArray = Float32Array | Int16Array | Int8Array | Uint8Array | Int32Array;

/** Facts and arrays in one answer. */
export interface Packet {
  facts: unknown;
  arrays: Record<string, { data: PacketArray; shape: readonly number[] }>;
}

const ALIGNED = 8;
const DTYPES: [new (length: number) => PacketArray, ArrayFacts['dtype']][] = [
  [Float32Array, 'f4'],
  [Int16Array, 'i2'],
  [Int8Array, 'i1'],
  [Uint8Array, 'u1'],
  [Int32Array, 'i4'],
];

/**
 * A packet as bytes: the length of the header (uint32, little endian), the header as JSON, { facts, arrays }, with spaces up to a multiple
 * of 8 bytes, then the arrays, each at such a multiple, little endian.
 */
export function encodePacket({ facts, arrays }: Packet): Uint8Array {
  let end = 0;
  const described: Record<string, ArrayFacts> = {};
  for (const [name, { data, shape }] of Object.entries(arrays)) {
    const [, dtype] = DTYPES.find(([Kind]) => data instanceof Kind) ?? DTYPES[0];
    described[name] = { dtype, shape, offset: end };
    end += Math.ceil(data.byteLength / ALIGNED) * ALIGNED;
  }
  const head = Buffer.from(JSON.stringify({ facts, arrays: described }));
  const length = Math.ceil((4 + head.length) / ALIGNED) * ALIGNED - 4;
  const bytes = Buffer.alloc(4 + length + end, ' ');
  bytes.writeUInt32LE(length, 0);
  bytes.set(head, 4);
  for (const [name, { data }] of Object.entries(arrays))
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 4 + length + described[name].offset);
  return bytes;
}
