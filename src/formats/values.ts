export type Numbers = { readonly length: number; readonly [index: number]: number | bigint };

/** Voxels of one kind. */
export interface Counted {
  count: number;
  /** The position of the first one; -1 where there is none. */
  first: number;
}

export interface DecodedValues {
  data: Float32Array;
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

/** Numbers are what they are. */
export const AS_STORED: ValueRules = { slope: 1, inter: 0, zeros: false, narrow: false };

/** float32, as nnU-Net has them; the array itself where it is that already. @param stored may be changed */
export function decodeValues(stored: Numbers, rules: ValueRules): DecodedValues {
  const { slope, inter, zeros } = rules;
  const notFinite = { count: 0, first: -1 };
  const tooLarge = { count: 0, first: -1 };
  const scaled = slope !== 1 || inter !== 0;
  const data = !scaled && stored instanceof Float32Array ? stored : new Float32Array(stored.length);
  const floats = stored instanceof Float32Array || stored instanceof Float64Array;
  const narrow = scaled && !floats && rules.narrow;
  for (let i = 0; i < data.length; i++) {
    let value = Number(stored[i]);
    const finite = Number.isFinite(value);
    if (!finite) {
      if (notFinite.count++ === 0) notFinite.first = i;
      if (zeros) value = 0;
    }
    if (narrow) value = Math.fround(value);
    data[i] = scaled ? value * slope + inter : value;
    if (finite && !Number.isFinite(data[i]) && tooLarge.count++ === 0) tooLarge.first = i;
  }
  return { data, notFinite, tooLarge };
}
