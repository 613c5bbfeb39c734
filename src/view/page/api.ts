import type { Failure, Settings } from '../facts.ts';
import type { ArrayFacts, PacketArray } from '../packet.ts';

/** What the server refuses, in its words. */
export class Refusal extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.what);
    this.failure = failure;
  }
}

export type Query = Record<string, string | number | undefined>;

/** A path of the server, below the page's own. */
export function addressOf(name: string, query: Query = {}, settings?: Settings): string {
  const search = new URLSearchParams();
  if (settings !== undefined) search.set('options', JSON.stringify(settings));
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
  return `api/${name}?${search}`;
}

async function ask(address: string): Promise<Response> {
  const response = await fetch(address).catch(() => {
    throw new Refusal({ where: '', what: 'the server does not answer', action: 'Start `voxfeed view` again, and open its address' });
  });
  if (response.ok) return response;
  const text = await response.text();
  throw new Refusal(text.startsWith('{') ? (JSON.parse(text) as Failure) : { where: '', what: text.trim(), action: '' });
}

export async function askFacts<T>(address: string): Promise<T> {
  return (await ask(address)).json() as Promise<T>;
}

export type Arrays = Record<string, PacketArray>;

const KINDS = { f4: Float32Array, i2: Int16Array, i1: Int8Array, u1: Uint8Array, i4: Int32Array };

/** Facts and voxels, see `encodePacket`. */
export async function askPacket<T>(address: string): Promise<{ facts: T; arrays: Arrays }> {
  const buffer = await (await ask(address)).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as { facts: T; arrays: Record<string, ArrayFacts> };
  const arrays = Object.entries(head.arrays).map(([name, { dtype, shape, offset }]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return [name, new KINDS[dtype](buffer, 4 + length + offset, count)];
  });
  return { facts: head.facts, arrays: Object.fromEntries(arrays) };
}
