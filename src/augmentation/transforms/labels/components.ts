import type { Triple } from '../../../common/geometry.ts';

/**
 * Connected components of the voxels that are not 0, edges and corners connecting too.
 *
 * `labels` and `sizes` have the image's length. Afterwards `labels[i]` is the component of voxel i, from 0 in the order of their first
 * voxels, or -1, and `sizes` begins with the components' numbers of voxels. Returns how many there are.
 */
export function findComponents(image: Float32Array, shape: Triple, labels: Int32Array, sizes: Int32Array): number {
  const [, height, width] = shape;
  const plane = height * width;
  const root = (voxel: number): number => {
    let at = voxel;
    while (labels[at] !== at) {
      labels[at] = labels[labels[at]];
      at = labels[at];
    }
    return at;
  };
  // Until all are known, a voxel's label is an earlier voxel of its component, and that of the first one is itself.
  for (let i = 0; i < image.length; i++) {
    if (image[i] === 0) {
      labels[i] = -1;
      continue;
    }
    labels[i] = i;
    const x = i % width;
    const y = Math.floor(i / width) % height;
    let own = i;
    const row = (from: number): void => {
      for (let j = x > 0 ? from - 1 : from; j <= (x + 1 < width ? from + 1 : from); j++) {
        if (j >= i || labels[j] === -1) continue;
        const other = root(j);
        if (other < own) {
          labels[own] = other;
          own = other;
        } else labels[other] = own;
      }
    };
    row(i);
    if (y > 0) row(i - width);
    if (i < plane) continue;
    row(i - plane);
    if (y > 0) row(i - plane - width);
    if (y + 1 < height) row(i - plane + width);
  }
  let count = 0;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === -1) continue;
    // The first voxel of each component comes before all others, which find its number in it.
    const first = labels[i] === i;
    labels[i] = first ? count : labels[labels[i]];
    if (first) sizes[count++] = 0;
    sizes[labels[i]]++;
  }
  return count;
}
