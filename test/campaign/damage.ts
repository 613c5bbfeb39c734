import fc from 'fast-check';

/** One thing that happens to a file: drawn by fast-check, applied by `damageJson` or `damageBytes`. */
export interface Damage {
  kind: 'replace' | 'remove' | 'repeat' | 'rename' | 'flip' | 'cut' | 'insert' | 'whole';
  /** Where, as a part of all places from 0 to 1. */
  at: number;
  /** What is put there. */
  value: unknown;
}

/** Values that people and programs leave in files by mistake or malice. */
const NASTY: unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  ' ',
  'x',
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  'a\\b',
  'a\u0000b',
  'a\nb',
  'x'.repeat(300),
  '__proto__',
  'constructor',
  '１',
  [],
  [[]],
  [null],
  [Number.MAX_SAFE_INTEGER],
  {},
  { __proto__: null },
  { format: 'voxfeed-store', version: 2 },
];

export const damages: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom<Damage['kind']>('replace', 'replace', 'replace', 'remove', 'repeat', 'rename', 'flip', 'cut', 'insert', 'whole'),
  at: fc.nat(2 ** 31 - 1).map((at) => at / 2 ** 31),
  value: fc.oneof(fc.constantFrom(...NASTY), fc.jsonValue({ maxDepth: 2 })),
});

/** The text of a JSON file with one thing wrong in it; half of all damage keeps it JSON. */
export function damageJson(text: string, damage: Damage): Buffer {
  const { kind, at, value } = damage;
  if (kind === 'whole') return Buffer.from(JSON.stringify(value));
  if (kind === 'flip' || kind === 'cut' || kind === 'insert') return damageBytes(Buffer.from(text), damage);
  const json = structuredClone(JSON.parse(text));
  const places = placesOf(json);
  if (places.length === 0) return Buffer.from(JSON.stringify(value));
  const { parent, key } = places[Math.floor(at * places.length)];
  const found = parent as Record<string, unknown>;
  if (kind === 'replace') found[key] = value;
  else if (Array.isArray(parent))
    parent.splice(Number(key), kind === 'remove' ? 1 : 0, ...(kind === 'remove' ? [] : [parent[Number(key)]]));
  else if (kind === 'remove') delete found[key];
  else if (kind === 'repeat') found[`${key}_`] = found[key];
  else {
    const moved = found[key];
    delete found[key];
    found[typeof value === 'string' ? value : JSON.stringify(value)] = moved;
  }
  return Buffer.from(JSON.stringify(json));
}

function placesOf(json: unknown): { parent: object; key: string }[] {
  if (typeof json !== 'object' || json === null) return [];
  return Object.entries(json).flatMap(([key, value]) => [{ parent: json, key }, ...placesOf(value)]);
}

export function damageBytes(bytes: Buffer, { kind, at, value }: Damage): Buffer {
  const place = Math.floor(at * bytes.length);
  if (kind === 'cut' || kind === 'remove') return bytes.subarray(0, place);
  const inserted = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  if (kind === 'whole') return inserted;
  if (kind === 'insert' || kind === 'repeat') return Buffer.concat([bytes.subarray(0, place), inserted, bytes.subarray(place)]);
  const damaged = Buffer.from(bytes);
  if (kind === 'flip' && bytes.length > 0) damaged[place] ^= 1 << (inserted.length % 8);
  else inserted.copy(damaged, place);
  return damaged;
}
