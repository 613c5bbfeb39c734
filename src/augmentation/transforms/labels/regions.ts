import type { TargetArray } from '../../../shared-memory/target-array.ts';

/**
 * Writes the mask of each region, [R, z, y, x], from labels int16 [z, y, x]: 1 where the label is one of the region's, 0
 * elsewhere. An ignore label is a region of its own, the last (nnU-Net's region-based training: batchgeneratorsv2's
 * `ConvertSegmentationToRegionsTransform`).
 */
export function writeRegions(labels: Int16Array, regions: readonly (readonly number[])[], out: TargetArray): void {
  const count = labels.length;
  const members = new Uint8Array(65536);
  for (const [region, its] of regions.entries()) {
    for (const label of its) members[label & 0xffff] = 1;
    const mask = out.subarray(region * count, (region + 1) * count);
    for (let i = 0; i < count; i++) mask[i] = members[labels[i] & 0xffff];
    for (const label of its) members[label & 0xffff] = 0;
  }
}
