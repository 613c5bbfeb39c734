/**
 * What numbers are kept as. 'mixed' keeps feature maps and their gradients as float16 and multiplies float16 on matrix units, where
 * the adapter has them. Sums, parameters and the optimiser are float32 either way.
 */
export const PRECISIONS = ['float32', 'mixed'] as const;
export type Precision = (typeof PRECISIONS)[number];
