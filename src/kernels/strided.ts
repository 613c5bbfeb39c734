/** A box of voxels inside the shared memory: where it starts, and how far apart its rows and planes are, in bytes. */
export interface Strided {
  pointer: number;
  row: number;
  plane: number;
}
