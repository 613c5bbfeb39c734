/** A hash of 32 bits: SplitMix's step and the finalizer of MurmurHash3. */
function mix(word: number): number {
  let x = (word + 0x9e3779b9) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function rotate(x: number, bits: number): number {
  return ((x << bits) | (x >>> (32 - bits))) >>> 0;
}

/** xoshiro128++, as its authors publish it. */
function* xoshiro(state: number[]): Generator<number> {
  let [a, b, c, d] = state;
  for (;;) {
    yield (rotate((a + d) >>> 0, 7) + a) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d >>> 0, 11);
    [a, b, c, d] = [a, b, c, d].map((word) => word >>> 0);
  }
}

/**
 * `count` normal numbers: of eight, the first four are the cosines and the last four the sines of four generators side by side.
 * Radius and angle in float64.
 */
export function noise(count: number, seed: readonly number[], stream: number): Float64Array {
  const generators = [0, 1, 2, 3].map((lane) =>
    xoshiro([0, 1, 2, 3].map((word) => seed.reduce((hash, part) => mix(hash ^ part), mix((mix(4 * word + lane + 1) ^ stream) >>> 0)))),
  );
  const numbers = new Float64Array(Math.ceil(count / 8) * 8);
  for (let i = 0; i < numbers.length; i += 8) {
    for (const [lane, generator] of generators.entries()) {
      const first = generator.next().value | 0;
      const second = generator.next().value | 0;
      const radius = Math.sqrt(-2 * Math.log(Math.abs(first | 1) / 2 ** 31));
      const angle = (second / 2 ** 32) * Math.PI;
      numbers[i + lane] = (first < 0 ? -1 : 1) * radius * Math.cos(angle);
      numbers[i + 4 + lane] = radius * Math.sin(angle);
    }
  }
  return numbers.subarray(0, count);
}
