/** Labels as nnU-Net writes them. */
export type LabelVoxels = Uint8Array | Uint16Array;

/** One byte a voxel where they fit: below 255, by nnU-Net's rule. */
export function narrowed(labels: Int16Array): LabelVoxels {
  return labels.every((label) => label >= 0 && label < 255) ? Uint8Array.from(labels) : Uint16Array.from(labels);
}

/** Little endian. */
export function bytesOf({ buffer, byteOffset, byteLength }: LabelVoxels): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
