import createXxhash, { type XXHash, type XXHashAPI } from 'xxhash-wasm';
import { keepReplacedCode } from './replaced-code.ts';

type Part = ArrayBufferView | string;

/** Hashes parts laid end to end; pieces of them may be made as they are hashed. */
export type Checksum = (...parts: readonly (Part | Generator<Part>)[]) => string;

/** What is hashed is copied into memory of the hash, which grows and never shrinks. */
const AT_ONCE_BYTES = 2 ** 20;

let loading: Promise<XXHashAPI> | undefined;

/** Loads the hash. (No top-level await: see `workers/patch-worker.ts`.) */
async function load(): Promise<XXHashAPI> {
  if (loading === undefined) {
    keepReplacedCode();
    loading = createXxhash();
  }
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
    if (typeof part === 'string') {
      this.#hash.update(part);
      return this;
    }
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    for (let at = 0; at < bytes.length; at += AT_ONCE_BYTES) this.#hash.update(bytes.subarray(at, at + AT_ONCE_BYTES));
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
    for (const part of parts) {
      if (typeof part === 'string' || ArrayBuffer.isView(part)) digest.update(part);
      else for (const piece of part) digest.update(piece);
    }
    return digest.hex();
  };
}

/** The hash of all parts laid end to end. */
export async function xxh64(...parts: readonly Part[]): Promise<string> {
  return (await hasher())(...parts);
}
