/** Statistics of a channel's foreground intensities over the whole data set, in nnU-Net's words. */
export interface IntensityProperties {
  max: number;
  mean: number;
  median: number;
  min: number;
  percentile_00_5: number;
  percentile_99_5: number;
  /** Population standard deviation. */
  std: number;
}

/** How one channel is normalised; nnU-Net's five schemes (docs/nnunet.md#normalisation). */
export type Normalisation =
  | { scheme: 'zscore'; masked: boolean }
  | ({ scheme: 'ct' } & Pick<IntensityProperties, 'mean' | 'std' | 'percentile_00_5' | 'percentile_99_5'>)
  | { scheme: 'rescale_to_0_1' }
  | { scheme: 'rgb_to_0_1' }
  | { scheme: 'nonorm' };

export type Scheme = Normalisation['scheme'];

/** nnU-Net's classes, as plans name them, by the channel names that choose them. */
export const SCHEME_CLASS: Record<Scheme, string> = {
  zscore: 'ZScoreNormalization',
  ct: 'CTNormalization',
  rescale_to_0_1: 'RescaleTo01Normalization',
  rgb_to_0_1: 'RGBTo01Normalization',
  nonorm: 'NoNormalization',
};

/** Below this median relative size, the zeros around the body would spoil a z-score: it is then taken over the mask only. */
const MASK_BELOW = 0.75;

/** The scheme that nnU-Net chooses for a channel name of dataset.json; z-score for any name it does not know. */
export function schemeOf(channelName: string): Scheme {
  const name = channelName.toLowerCase();
  return Object.hasOwn(SCHEME_CLASS, name) ? (name as Scheme) : 'zscore';
}

/** Whether a z-score is taken over the nonzero region only, given the median part of the volumes that cropping leaves. */
export function isMasked(scheme: Scheme, medianRelativeSize: number): boolean {
  return scheme === 'zscore' && medianRelativeSize < MASK_BELOW;
}

/** What a scheme and the statistics of a channel make; without statistics, CT intensities are left as they are. */
export function normalisationOf(scheme: Scheme, masked: boolean, properties: IntensityProperties | undefined): Normalisation {
  if (scheme === 'zscore') return { scheme, masked };
  if (scheme !== 'ct') return { scheme };
  if (properties === undefined) return { scheme, mean: 0, std: 1, percentile_00_5: -Number.MAX_VALUE, percentile_99_5: Number.MAX_VALUE };
  const { mean, std, percentile_00_5, percentile_99_5 } = properties;
  return { scheme, mean, std, percentile_00_5, percentile_99_5 };
}
