import createXxhash, { type XXHash, type XXHashAPI } from 'xxhash-wasm';

let api: Promise<XXHashAPI> | undefined;

/** A running 64-bit xxHash. */
export class Digest {
  readonly #hash: XXHash<bigint>;

  /** Loads the hash on first use. (No top-level await: see `workers/patch-worker.ts`.) */
  static async create(): Promise<Digest> {
    api ??= createXxhash();
    return new Digest((await api).create64());
  }

  private constructor(hash: XXHash<bigint>) {
    this.#hash = hash;
  }

  update(part: ArrayBufferView | string): this {
    this.#hash.update(typeof part === 'string' ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    return this;
  }

  /** 16 hexadecimal digits. */
  hex(): string {
    return this.#hash.digest().toString(16).padStart(16, '0');
  }
}

/** The hash of all parts laid end to end. */
export async function xxh64(...parts: readonly (ArrayBufferView | string)[]): Promise<string> {
  const digest = await Digest.create();
  for (const part of parts) digest.update(part);
  return digest.hex();
}
