import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { CaseError } from '../common/errors.ts';
import type { Dialect } from './nifti-affine.ts';

export type Numbers = { readonly length: number; readonly [index: number]: number | bigint };

/** Voxels of one kind. */
export interface Counted {
  count: number;
  /** The position of the first one; -1 where there is none. */
  first: number;
}

export interface DecodedValues {
  data: Float32Array;
  /** NaN or infinite in the file. ITK reads 0 in their place, nibabel leaves them. */
  notFinite: Counted;
  /** Numbers in the file, and infinite as float32. */
  tooLarge: Counted;
}

/** What a header says of the numbers in its file: value = slope * stored + inter. */
export interface Scaling {
  slope: number;
  inter: number;
}

/**
 * nibabel: no scaling where the slope is 0 or no number. ITK: a slope of 0 or none is 1, an intercept that is no number is 0; each counts
 * without the other.
 * @throws CaseError where nibabel refuses
 */
export function scalingOf(path: string, { scl_slope, scl_inter }: NIFTI1 | NIFTI2, dialect: Dialect): Scaling {
  const none = !Number.isFinite(scl_slope) || scl_slope === 0;
  if (dialect === 'itk') return { slope: none ? 1 : scl_slope, inter: Number.isFinite(scl_inter) ? scl_inter : 0 };
  if (none) return { slope: 1, inter: 0 };
  if (Number.isFinite(scl_inter)) return { slope: scl_slope, inter: scl_inter };
  throw new CaseError(
    path,
    `its header has a scl_slope of ${scl_slope} and a scl_inter of ${scl_inter}, which nibabel refuses`,
    'Correct the header: a scl_inter of 0 adds nothing',
  );
}

/** What ITK makes of a scaling that is half there, in words; null where there is nothing odd about it. */
export function oddScaling({ scl_slope, scl_inter }: NIFTI1 | NIFTI2, dialect: Dialect): string | null {
  if (dialect !== 'itk') return null;
  const said = `its header has a scl_slope of ${scl_slope} and a scl_inter of ${scl_inter}`;
  const none = !Number.isFinite(scl_slope) || scl_slope === 0;
  if (!none && !Number.isFinite(scl_inter)) return `${said}: taken for ${scl_slope} and 0`;
  return none && Number.isFinite(scl_inter) && scl_inter !== 0 ? `${said}: taken for 1 and ${scl_inter}` : null;
}

/** float32, as nnU-Net has them; the array itself where it is that already. @param stored may be changed */
export function decodeValues(stored: Numbers, { slope, inter }: Scaling, dialect: Dialect): DecodedValues {
  const scaled = slope !== 1 || inter !== 0;
  const notFinite = { count: 0, first: -1 };
  const tooLarge = { count: 0, first: -1 };
  const floats = asFloats(stored, scaled && dialect === 'nibabel');
  const data = floats instanceof Float32Array ? floats : new Float32Array(floats.length);
  // Most files, by far: whole numbers, which float32 always holds.
  if (!scaled && data !== stored && floats === data) return { data, notFinite, tooLarge };
  for (let i = 0; i < data.length; i++) {
    const value = floats[i];
    // Of NaN and of infinity, the difference is NaN: quicker than asking.
    if (value - value !== 0) {
      if (notFinite.count++ === 0) notFinite.first = i;
      data[i] = dialect === 'itk' ? inter : value * slope + inter;
      continue;
    }
    data[i] = scaled ? value * slope + inter : value;
    if (data[i] - data[i] !== 0 && tooLarge.count++ === 0) tooLarge.first = i;
  }
  return { data, notFinite, tooLarge };
}

/**
 * Loops over one kind of array, or two, are quick. The copies are the engine's own.
 * @param exact whole numbers are to stay as they are: ITK makes float32 of them before it scales them, nibabel does not
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
