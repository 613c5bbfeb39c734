import createXxhash from 'xxhash-wasm';

const { create64 } = await createXxhash();

/** The 64-bit xxHash of all parts laid end to end, as 16 hexadecimal digits. */
export function xxh64(...parts: readonly (Uint8Array | string)[]): string {
  const digest = new Digest();
  for (const part of parts) digest.update(part);
  return digest.hex();
}

/** A running xxHash. */
export class Digest {
  readonly #hash = create64();

  update(part: ArrayBufferView | string): this {
    this.#hash.update(typeof part === 'string' ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    return this;
  }

  hex(): string {
    return this.#hash.digest().toString(16).padStart(16, '0');
  }
}
