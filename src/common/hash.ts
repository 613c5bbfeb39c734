import createXxhash, { type XXHash, type XXHashAPI } from 'xxhash-wasm';

type Part = ArrayBufferView | string;

/** Hashes parts laid end to end. */
export type Checksum = (...parts: readonly Part[]) => string;

let loading: Promise<XXHashAPI> | undefined;

/** Loads the hash. (No top-level await: see `workers/patch-worker.ts`.) */
async function load(): Promise<XXHashAPI> {
  loading ??= createXxhash();
  return loading;
}

/** A running 64-bit xxHash. */
export class Digest {
  readonly #hash: XXHash<bigint>;

  static async create(): Promise<Digest> {
    return new Digest((await load()).create64());
  }

  constructor(hash: XXHash<bigint>) {
    this.#hash = hash;
  }

  update(part: Part): this {
    this.#hash.update(typeof part === 'string' ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    return this;
  }

  /** 16 hexadecimal digits. */
  hex(): string {
    return this.#hash.digest().toString(16).padStart(16, '0');
  }
}

/** The hash of all parts laid end to end, as a function that need not wait. */
export async function hasher(): Promise<Checksum> {
  const { create64 } = await load();
  return (...parts) => {
    const digest = new Digest(create64());
    for (const part of parts) digest.update(part);
    return digest.hex();
  };
}

/** The hash of all parts laid end to end. */
export async function xxh64(...parts: readonly Part[]): Promise<string> {
  return (await hasher())(...parts);
}
