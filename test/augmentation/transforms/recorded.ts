import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Recorded {
  /** [z, y, x] or [y, x]. */
  shape: number[];
  image: number[];
  result: number[];
  // biome-ignore lint/suspicious/noExplicitAny: parameters differ from transform to transform
  parameters: any;
}

const all = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded', 'da5.json'), 'utf8'));

/** What batchgeneratorsv2 made of given parameters; recorded by bench/interop/transforms.py, which says how numbers are written. */
export function recorded(name: string): Recorded[] {
  const numbers = (written: string | number[]): number[] => (typeof written === 'string' ? [...written].map(Number) : written);
  return all[name].map((record: { shape: number[]; image: string; result: string; parameters: unknown }) => ({
    shape: record.shape.slice(1),
    image: numbers(record.image),
    result: numbers(record.result),
    parameters: record.parameters,
  }));
}

/** Structuring elements of scikit-image; `bits` is empty for large ones. */
export function recordedElements(name: 'disk' | 'ball'): { radius: number; shape: number[]; members: number; bits: string }[] {
  return all[name];
}
