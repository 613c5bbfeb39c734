import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { CaseError } from '../common/errors.ts';
import type { Dialect } from './nifti-affine.ts';
import type { ValueRules } from './values.ts';

/**
 * nibabel: numbers are left as they are that are none, and no scaling where the slope is 0 or no number. ITK: a slope of 0 or none is 1, an intercept that is no number is 0; each
 * counts without the other, and 0 stands for what is no number.
 * @throws CaseError where nibabel refuses
 */
export function scalingOf(path: string, { scl_slope, scl_inter }: NIFTI1 | NIFTI2, dialect: Dialect): ValueRules {
  const none = !Number.isFinite(scl_slope) || scl_slope === 0;
  const itk = dialect === 'itk';
  const rules = { zeros: itk, narrow: itk };
  if (itk) return { slope: none ? 1 : scl_slope, inter: Number.isFinite(scl_inter) ? scl_inter : 0, ...rules };
  if (none) return { slope: 1, inter: 0, ...rules };
  if (Number.isFinite(scl_inter)) return { slope: scl_slope, inter: scl_inter, ...rules };
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
