/** What a busy thread is at, as words of shared memory: whoever watches it reads them while it can answer nobody. */
export const PROGRESS = {
  /** Grows whenever the thread gets on. */
  beats: 0,
  /** One of STAGE. */
  stage: 1,
  words: 2,
} as const;

/** What can be under way. `step` is the first step of the pipeline; the others follow. */
export const STAGE = { none: 0, reading: 1, decoding: 2, warpingImage: 3, warpingLabels: 4, targets: 5, step: 6 } as const;

/**
 * What stages took: milliseconds and how often each was begun, in turn, by stage. The clock is read where a stage begins or ends and
 * nowhere within one: some ten times a sample.
 */
export type StageTimes = Float64Array;

export function newStageTimes(steps: number): StageTimes {
  return new Float64Array(2 * (STAGE.step + steps));
}

let words: Int32Array = new Int32Array(PROGRESS.words);
let times: StageTimes = newStageTimes(0);
let current: number = STAGE.none;
let since = 0;

/** From here on this thread tells there what it is at, and adds up what it takes. It begins with nothing. */
export function reportTo(progress: Int32Array, spent: StageTimes = newStageTimes(0)): void {
  words = progress;
  times = spent;
  current = STAGE.none;
  since = performance.now();
}

/** This thread begins with something else. Returns what it was at: to `resume`, where this is a part of that. */
export function enter(stage: number): number {
  times[2 * stage + 1]++;
  return resume(stage);
}

/** This thread goes on with what it was at before. */
export function resume(stage: number): number {
  const before = current;
  const now = performance.now();
  times[2 * before] += now - since;
  since = now;
  current = stage;
  Atomics.store(words, PROGRESS.stage, stage);
  beat();
  return before;
}

/** This thread gets on with what it is at: for whoever may take long. */
export function beat(): void {
  Atomics.add(words, PROGRESS.beats, 1);
}
