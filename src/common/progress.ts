/** What a busy thread is at, as words of shared memory: whoever watches it reads them while it can answer nobody. */
export const PROGRESS = {
  /** Grows whenever the thread gets on. */
  beats: 0,
  /** One of STAGE. */
  stage: 1,
  words: 2,
} as const;

/** What can be under way. `step` is the first step of the pipeline; the others follow. */
export const STAGE = { none: 0, reading: 1, targets: 2, step: 3 } as const;

let words: Int32Array = new Int32Array(PROGRESS.words);

/** From here on this thread tells there what it is at. */
export function reportTo(progress: Int32Array): void {
  words = progress;
}

/** This thread begins with something else. */
export function enter(stage: number): void {
  Atomics.store(words, PROGRESS.stage, stage);
  beat();
}

/** This thread gets on with what it is at: for whoever may take long. */
export function beat(): void {
  Atomics.add(words, PROGRESS.beats, 1);
}
