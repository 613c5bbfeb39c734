import type { PackedError } from '../common/errors.ts';
import type { Triple } from '../common/geometry.ts';
import type { Packet } from './packet.ts';
import type { StreamOptions } from './settings.ts';

/** Which sample. */
interface OfSample {
  options: StreamOptions;
  /** What its batches are tagged with; null: what the stream has alone. */
  config: string | null;
  sample: number;
}

/** What the thread of the page makes; see `work.ts`. Plain data. */
export type ViewTask =
  | { kind: 'batch'; options: StreamOptions; batch: number; channel: number }
  | ({ kind: 'sample'; at: Triple | null; channel: number; ends: boolean } & OfSample)
  | ({ kind: 'nifti'; part: 'image' | 'labels'; side: 'before' | 'after'; channel: number } & OfSample)
  | { kind: 'volume'; caseNumber: number; channel: number }
  | { kind: 'case-nifti'; part: 'image' | 'labels'; caseNumber: number; channel: number }
  | { kind: 'planned'; options: StreamOptions; count: number };

export type ViewAnswer = { result: Packet | Uint8Array } | { error: PackedError };
