import { ClassCounter } from '../augmentation/class-counter.ts';
import { voxels } from '../common/geometry.ts';
import type { Batch } from '../loader/batch.ts';
import { foregroundOf, type LabelClass } from '../raw/labels.ts';
import { MOST_CLASSES } from '../sampling/exposure.ts';

/** Counts which classes the patches of a live stream hold. */
export class Seen {
  patches = 0;
  readonly #holding: number[];
  readonly #counter: ClassCounter;

  constructor(classes: readonly LabelClass[]) {
    const counted = foregroundOf(classes).slice(0, MOST_CLASSES);
    this.#holding = counted.map(() => 0);
    this.#counter = new ClassCounter(counted.map(({ labels }) => labels));
  }

  add({ target, targetShape, plans }: Batch): void {
    const [, channels, ...spatial] = targetShape;
    const count = voxels(spatial);
    for (const slot of plans.keys()) {
      this.patches++;
      for (const i of this.#holding.keys()) {
        // Masks have one channel a class; labels are looked through once.
        const mask = channels > 1 ? target.subarray((slot * channels + i) * count, (slot * channels + i + 1) * count) : null;
        if (mask?.includes(1)) this.#holding[i]++;
      }
      if (channels > 1) continue;
      const found = this.#counter.find(target.subarray(slot * count, (slot + 1) * count) as Int16Array);
      for (const i of this.#holding.keys()) this.#holding[i] += (found >>> i) & 1;
    }
  }

  /** Parts of the patches so far, one a class. */
  holding(): number[] {
    return this.#holding.map((patches) => (this.patches === 0 ? 0 : patches / this.patches));
  }
}
