/** The JSON with a stack's spacing, beside it: an image's name is without the number of its channel. */
export function spacingPath(path: string, isLabel: boolean): string {
  const stem = path.replace(/\.tiff?$/i, '');
  return `${isLabel ? stem : stem.slice(0, -'_0000'.length)}.json`;
}
