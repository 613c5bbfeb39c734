import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';

/**
 * The matrix from voxel index (x, y, z, 1) to millimetres, 4×4, rows first, by the rules of the NIfTI standard: the sform, or
 * the qform where it alone is set or has the higher code, or voxel sizes alone. The library leaves the qform of NIfTI-2 out, and
 * lets rounding of a half turn end in NaN.
 */
export function affineOf(header: NIFTI1 | NIFTI2): number[][] {
  const { qform_code, sform_code, affine, pixDims } = header;
  if (qform_code > 0 && sform_code < qform_code) return qform(header);
  if (sform_code > 0) return affine.map((row) => [...row]);
  return [
    [pixDims[1], 0, 0, 0],
    [0, pixDims[2], 0, 0],
    [0, 0, pixDims[3], 0],
    [0, 0, 0, 1],
  ];
}

function qform({ quatern_b, quatern_c, quatern_d, pixDims, qoffset_x, qoffset_y, qoffset_z }: NIFTI1 | NIFTI2): number[][] {
  // Only b, c and d are stored: a follows from the length 1, which rounding may exceed at half a turn.
  const length = Math.hypot(quatern_b, quatern_c, quatern_d);
  const [b, c, d] = length > 1 ? [quatern_b / length, quatern_c / length, quatern_d / length] : [quatern_b, quatern_c, quatern_d];
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)));
  const [, width, height, depth] = pixDims;
  // pixdim[0] says whether the third axis runs the other way.
  const sizes = [width, height, pixDims[0] < 0 ? -depth : depth];
  const rotation = [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
  const offsets = [qoffset_x, qoffset_y, qoffset_z];
  return [...rotation.map((row, i) => [...row.map((value, axis) => value * sizes[axis]), offsets[i]]), [0, 0, 0, 1]];
}
