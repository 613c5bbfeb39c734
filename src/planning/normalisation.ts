import type { CaseFingerprint } from './fingerprint.ts';

/** Statistics of a channel's foreground intensities over the whole data set, as CT normalisation needs them. */
export interface IntensityProperties {
  mean: number;
  /** Population standard deviation. */
  std: number;
  percentile_00_5: number;
  percentile_99_5: number;
}

/** How one channel is normalised; nnU-Net's five schemes (preprocessing sheet, A.1). */
export type Normalisation =
  | { scheme: 'zscore'; masked: boolean }
  | ({ scheme: 'ct' } & IntensityProperties)
  | { scheme: 'rescale_to_0_1' }
  | { scheme: 'rgb_to_0_1' }
  | { scheme: 'nonorm' };

export type Scheme = Normalisation['scheme'];

const SCHEMES: readonly string[] = ['zscore', 'ct', 'rescale_to_0_1', 'rgb_to_0_1', 'nonorm'] satisfies Scheme[];

/** Below this median relative size, the zeros around the body would spoil a z-score: it is then taken over the mask only. */
const MASK_BELOW = 0.75;

/** The scheme that nnU-Net chooses for a channel name of dataset.json; z-score for any name it does not know. */
export function schemeOf(channelName: string): Scheme {
  const name = channelName.toLowerCase();
  return SCHEMES.includes(name) ? (name as Scheme) : 'zscore';
}

/** How each channel is to be normalised, from its name and the fingerprints of all cases. */
export function chooseNormalisation(channels: readonly string[], cases: readonly CaseFingerprint[]): Normalisation[] {
  const sizes = cases.map(({ relativeSizeAfterCrop }) => relativeSizeAfterCrop).sort((a, b) => a - b);
  const masked = percentile(sizes, 50) < MASK_BELOW;
  return channels.map((name, channel) => {
    const scheme = schemeOf(name);
    if (scheme === 'zscore') return { scheme, masked };
    if (scheme === 'ct') return { scheme, ...intensityProperties(pool(cases, channel)) };
    return { scheme };
  });
}

/** Mean, standard deviation and percentiles of pooled intensities. Sorts `pooled` in place. */
export function intensityProperties(pooled: Float32Array): IntensityProperties {
  // Without any foreground there is nothing to clip to: leave the intensities as they are.
  if (pooled.length === 0) return { mean: 0, std: 1, percentile_00_5: -Number.MAX_VALUE, percentile_99_5: Number.MAX_VALUE };
  pooled.sort();
  let sum = 0;
  for (let i = 0; i < pooled.length; i++) sum += pooled[i];
  const mean = sum / pooled.length;
  let squares = 0;
  for (let i = 0; i < pooled.length; i++) squares += (pooled[i] - mean) ** 2;
  return {
    mean,
    std: Math.sqrt(squares / pooled.length),
    percentile_00_5: percentile(pooled, 0.5),
    percentile_99_5: percentile(pooled, 99.5),
  };
}

/** The `percent` percentile of ascending values, linear between neighbours (NumPy's default). */
export function percentile(sorted: Float32Array | readonly number[], percent: number): number {
  const position = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}

function pool(cases: readonly CaseFingerprint[], channel: number): Float32Array {
  const parts = cases.map(({ foreground }) => foreground[channel] ?? new Float32Array(0));
  const pooled = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let used = 0;
  for (const part of parts) {
    pooled.set(part, used);
    used += part.length;
  }
  return pooled;
}
