import type { IntensityProperties } from '../plans/normalisation.ts';
import { interpolate } from './statistics.ts';

/** How often each intensity was drawn: a hundred million draws are few distinct values, exactly where images hold integers. */
export interface Histogram {
  /** Distinct, ascending. */
  values: Float32Array;
  counts: Uint32Array;
}

/** Whole numbers that are no further apart are counted in a table. */
const TABLE = 2 ** 20;

/** @param counts how often each entry of `intensities` counts; once each if left out */
export function histogramOf(intensities: Float32Array, counts: Uint32Array = new Uint32Array(intensities.length).fill(1)): Histogram {
  return tabulate(intensities, counts) ?? sortOut(intensities, counts);
}

/** null where there are other than whole numbers, or large ones. */
function tabulate(intensities: Float32Array, counts: Uint32Array): Histogram | null {
  const range = wholeRange(intensities);
  if (range === null || range.high - range.low >= TABLE) return null;
  const { low, high } = range;
  const table = new Uint32Array(high - low + 1);
  for (let i = 0; i < intensities.length; i++) table[intensities[i] - low] += counts[i];
  return histogramOfTable({ low, table });
}

/** A range of whole numbers that holds them all; null where there are other numbers. */
function wholeRange(intensities: Float32Array): { low: number; high: number } | null {
  let [low, high] = [0, 0];
  for (let i = 0; i < intensities.length; i++) {
    const value = intensities[i];
    if ((value | 0) !== value) return null;
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  return { low, high };
}

/** Where each intensity is counted, in a table that begins with `low`; null where there are other numbers than whole ones of 16 bits. */
export function placesOf(intensities: Float32Array): { low: number; size: number; places: Uint16Array } | null {
  const range = wholeRange(intensities);
  if (range === null || range.high - range.low >= 2 ** 16) return null;
  const { low, high } = range;
  const places = new Uint16Array(intensities.length);
  for (let i = 0; i < places.length; i++) places[i] = intensities[i] - low;
  return { low, size: high - low + 1, places };
}

/** Of a table whose first entry counts `low`, the next one a number more. */
export function histogramOfTable({ low, table }: { low: number; table: Uint32Array }): Histogram {
  const values = Float32Array.from(table.keys()).filter((place) => table[place] > 0);
  return { values: values.map((place) => place + low), counts: table.filter((count) => count > 0) };
}

function sortOut(intensities: Float32Array, counts: Uint32Array): Histogram {
  const sorted = intensities.filter((_, i) => counts[i] > 0).sort();
  let distinct = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[distinct++] = sorted[i];
  const histogram = { values: sorted.slice(0, distinct), counts: new Uint32Array(distinct) };
  for (let i = 0; i < intensities.length; i++) {
    if (counts[i] > 0) histogram.counts[indexOf(histogram.values, intensities[i])] += counts[i];
  }
  return histogram;
}

/** All draws of several histograms together. */
export function mergeHistograms(histograms: readonly Histogram[]): Histogram {
  if (histograms.length === 0) return { values: new Float32Array(0), counts: new Uint32Array(0) };
  let merged = [...histograms];
  // By twos, so that every value is copied log2(histograms) times and not once for each of them.
  while (merged.length > 1) {
    const next: Histogram[] = [];
    for (let i = 0; i < merged.length; i += 2) next.push(i + 1 < merged.length ? mergeTwo(merged[i], merged[i + 1]) : merged[i]);
    merged = next;
  }
  return merged[0];
}

/** nnU-Net's seven statistics; null where nothing was drawn. Percentiles are linear between neighbours. */
export function intensityProperties({ values, counts }: Histogram): IntensityProperties | null {
  if (values.length === 0) return null;
  let total = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    total += counts[i];
    sum += values[i] * counts[i];
  }
  const mean = sum / total;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) ** 2 * counts[i];
  const at = (position: number): number => {
    let before = 0;
    for (let i = 0; ; i++) {
      before += counts[i];
      if (before > position) return values[i];
    }
  };
  return {
    max: values[values.length - 1],
    mean,
    median: interpolate(total, 50, at),
    min: values[0],
    percentile_00_5: interpolate(total, 0.5, at),
    percentile_99_5: interpolate(total, 99.5, at),
    std: Math.sqrt(squares / total),
  };
}

function mergeTwo(a: Histogram, b: Histogram): Histogram {
  const values = new Float32Array(a.values.length + b.values.length);
  const counts = new Uint32Array(values.length);
  let used = 0;
  for (let i = 0, j = 0; i < a.values.length || j < b.values.length; used++) {
    const [left, right] = [a.values[i] ?? Number.POSITIVE_INFINITY, b.values[j] ?? Number.POSITIVE_INFINITY];
    values[used] = Math.min(left, right);
    if (left <= right) counts[used] += a.counts[i++];
    if (right <= left) counts[used] += b.counts[j++];
  }
  return { values: values.slice(0, used), counts: counts.slice(0, used) };
}

/** Where `value`, which is there, stands in ascending `values`. */
function indexOf(values: Float32Array, value: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
