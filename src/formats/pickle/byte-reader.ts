/** Numbers and bytes out of a pickle, each checked against the end of the file. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Of the byte that is read next. */
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#bytes.length;
  }

  get left(): number {
    return this.#bytes.length - this.position;
  }

  /** @throws RangeError where fewer bytes are left */
  expect(count: number): void {
    if (count > this.left) throw new RangeError(`it needs ${count} more bytes, the file has ${this.left}`);
  }

  /** Where `count` bytes begin, which are passed over. */
  #pass(count: number): number {
    this.expect(count);
    const from = this.position;
    this.position += count;
    return from;
  }

  uint8(): number {
    return this.#view.getUint8(this.#pass(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#pass(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#pass(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#pass(4), true);
  }

  /** A length: larger ones than a file can have come out inexact, and are refused by whatever takes them. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#pass(8), true));
  }

  /** Big endian, as no other number. */
  float64(): number {
    return this.#view.getFloat64(this.#pass(8));
  }

  /** A whole number in two's complement, little endian. @throws RangeError where it is beyond 2^53 */
  integer(count: number): number {
    const from = this.#pass(count);
    if (count > 8) throw new RangeError(`it is an integer of ${count} bytes`);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[from + i]);
    const signed = Number(BigInt.asIntN(8 * count, value));
    if (!Number.isSafeInteger(signed)) throw new RangeError('it is an integer beyond 2^53');
    return signed;
  }

  /** A view of the file. */
  bytes(count: number): Uint8Array {
    const from = this.#pass(count);
    return this.#bytes.subarray(from, from + count);
  }

  text(count: number): string {
    try {
      return this.#text.decode(this.bytes(count));
    } catch (error) {
      throw error instanceof RangeError ? error : new RangeError('its text is not UTF-8');
    }
  }

  /** Up to the end of a line, which is passed over. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new RangeError('its line has no end');
    const line = this.text(end - this.position);
    this.position++;
    return line;
  }
}
