export type Numbers = { readonly length: number; readonly [index: number]: number | bigint };

/** Voxels of one kind. */
export interface Counted {
  count: number;
  /** The position of the first one; -1 where there is none. */
  first: number;
}

/** Whole numbers that float32 holds. Labels stay what they are: most files have a byte a voxel. */
export type LabelNumbers = Int8Array | Uint8Array | Int16Array | Uint16Array | Float32Array;

export interface DecodedValues<T extends LabelNumbers = Float32Array> {
  data: T;
  /** NaN or infinite in the file. */
  notFinite: Counted;
  /** Numbers in the file, and infinite as float32. */
  tooLarge: Counted;
}

/** How stored numbers become values: value = slope * stored + inter. */
export interface ValueRules {
  slope: number;
  inter: number;
  /** Read NaN and infinity as 0. */
  zeros: boolean;
  /** Make float32 of whole numbers before they are scaled. */
  narrow: boolean;
}

/** `decodeValues` of images, or `decodeLabels`. */
export type Decode<T extends LabelNumbers> = (stored: Numbers, rules: ValueRules) => DecodedValues<T>;

/** Numbers are what they are. */
export const AS_STORED: ValueRules = { slope: 1, inter: 0, zeros: false, narrow: false };

/** The same for labels: whole numbers that mean what they are stay as they are stored. */
export function decodeLabels(stored: Numbers, rules: ValueRules): DecodedValues<LabelNumbers> {
  const whole = [Int8Array, Uint8Array, Int16Array, Uint16Array].some((Type) => stored instanceof Type);
  if (!whole || rules.slope !== 1 || rules.inter !== 0) return decodeValues(stored, rules);
  return { data: stored as Numbers & LabelNumbers, notFinite: { count: 0, first: -1 }, tooLarge: { count: 0, first: -1 } };
}

/** float32, as nnU-Net has them; the array itself where it is that already. @param stored may be changed */
export function decodeValues(stored: Numbers, { slope, inter, zeros, narrow }: ValueRules): DecodedValues {
  const scaled = slope !== 1 || inter !== 0;
  const notFinite = { count: 0, first: -1 };
  const tooLarge = { count: 0, first: -1 };
  const floats = asFloats(stored, scaled && !narrow);
  const data = floats instanceof Float32Array ? floats : new Float32Array(floats.length);
  // Most files, by far: whole numbers, which float32 always holds.
  if (!scaled && data !== stored && floats === data) return { data, notFinite, tooLarge };
  for (let i = 0; i < data.length; i++) {
    const value = floats[i];
    // Of NaN and of infinity, the difference is NaN: quicker than asking.
    if (value - value !== 0) {
      if (notFinite.count++ === 0) notFinite.first = i;
      data[i] = zeros ? inter : value * slope + inter;
      continue;
    }
    data[i] = scaled ? value * slope + inter : value;
    if (data[i] - data[i] !== 0 && tooLarge.count++ === 0) tooLarge.first = i;
  }
  return { data, notFinite, tooLarge };
}

/**
 * Loops over one kind of array, or two, are quick. The copies are the engine's own.
 * @param exact whole numbers are to stay as they are
 */
function asFloats(stored: Numbers, exact: boolean): Float32Array | Float64Array {
  if (stored instanceof Float32Array || stored instanceof Float64Array) return stored;
  if (stored instanceof BigInt64Array || stored instanceof BigUint64Array) {
    const numbers = Float64Array.from(stored, Number);
    return exact ? numbers : new Float32Array(numbers);
  }
  const whole = stored as ArrayLike<number>;
  return exact && !(stored instanceof Int16Array || stored instanceof Uint16Array) ? Float64Array.from(whole) : new Float32Array(whole);
}
