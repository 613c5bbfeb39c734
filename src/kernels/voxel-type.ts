/** What int16 stand for: `offset + scale * stored`, a product and a sum in float32. Both are float32. */
export interface Line {
  offset: number;
  scale: number;
}

/** What stored voxels are: images float32, `float16`, or int16 that are mapped by `line`; labels int8, int16, or uint8 where they are `unsigned`. */
export interface VoxelType {
  bytesPerVoxel: number;
  unsigned?: boolean | undefined;
  float16?: boolean | undefined;
  line?: Line | undefined;
}
