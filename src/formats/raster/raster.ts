import type { Numbers } from '../values.ts';

/** What the header of an image says that has neither place nor spacing. */
export interface RasterHead {
  /** As NumPy has it: [y, x], [y, x, channel], [page, y, x] and others. */
  shape: number[];
  /** Of all numbers as they are stored. */
  voxelBytes: number;
  offset: number;
  fileBytes: number;
  /** Whether the stored numbers are packed, so that the file may be shorter; unknown how far: null. */
  compressed: boolean | null;
}

export interface Raster {
  shape: number[];
  /** In C order. */
  data: Numbers;
}
