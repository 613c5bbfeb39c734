import type { Triple } from '../../src/common/geometry.ts';
import { numbers, type RawCaseContent, type RawDatasetContent } from '../fixtures/raw-dataset.ts';

/** Two channels, of whole and of broken numbers, zeros around what the first shows, and labels 1 to 3 of which 3 is ignored. */
function labelled(id: string, shape: Triple, spacing: Triple, seed: number): RawCaseContent {
  const next = numbers(seed);
  const whole: number[] = [];
  const broken: number[] = [];
  const label: number[] = [];
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++) {
        const inside = z > 0 && y > 1 && x < shape[2] - seed;
        whole.push(inside ? 1 + next(60) : 0);
        broken.push(inside ? (next(4000) - 1500) / 16 : 0);
        label.push(inside && next(6) === 0 ? 1 + next(3) : 0);
      }
    }
  }
  return { id, shape, spacing, images: [whole, broken], label };
}

/**
 * Three cases of several spacings and shapes among seventeen without any foreground, which keep them short: each case has its
 * share of a hundred million draws.
 */
export function smallDataset(): RawDatasetContent {
  const empty = Array.from({ length: 17 }, (_, i): RawCaseContent => {
    const shape: Triple = [2, 3, 2 + (i % 3)];
    const count = 6 * shape[2];
    // Every other one has nothing in its first plane.
    const images = [i + 1, -1 - i].map((value) => Array.from({ length: count }, (_, at) => (i % 2 === 1 && at < count / 2 ? 0 : value)));
    return { id: `empty${i}`, shape, spacing: [2, 1, 0.75], images, label: new Uint8Array(count) };
  });
  return {
    channels: ['CT', 'MRI'],
    labels: { background: 0, organ: 1, tumour: 2, ignore: 3 },
    cases: [
      labelled('one', [9, 13, 16], [2, 1, 0.75], 1),
      labelled('three', [8, 16, 14], [2.5, 0.5, 0.75], 3),
      labelled('two', [10, 12, 17], [1.5, 1, 1.25], 2),
      ...empty,
    ],
  };
}
