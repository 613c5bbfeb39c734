/** Finds out which of some classes a patch holds. */
export class ClassCounter {
  /** By label, as an unsigned number: the bits of the classes it belongs to. */
  readonly #bits = new Int32Array(65536);
  readonly #all: number;

  /** @param classes the labels of each, 32 classes at most */
  constructor(classes: readonly (readonly number[])[]) {
    let all = 0;
    for (const [i, labels] of classes.entries()) {
      for (const label of labels) this.#bits[label & 0xffff] |= 1 << i;
      all |= 1 << i;
    }
    this.#all = all;
  }

  /** A bit for each class that has a voxel among the labels. */
  find(labels: Int16Array): number {
    let found = 0;
    let last = 0;
    // Labels come in runs.
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i];
      if (label === last) continue;
      last = label;
      found |= this.#bits[label & 0xffff];
      if (found === this.#all) break;
    }
    return found;
  }
}
