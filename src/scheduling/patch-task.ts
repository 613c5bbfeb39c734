import type { PatchRecipe } from '../augmentation/patch-maker.ts';
import type { PackedError } from '../common/errors.ts';
import type { StageTimes } from '../common/progress.ts';
import type { SharedMemory } from '../kernels/kernels.ts';
import type { StoredArrays } from '../reading/open-files.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { Layout } from '../shared-memory/layout.ts';

/** What a patch worker gets once, when it starts. It is all a worker knows; a new one is as good as the one that died. */
export interface PatchWorkerData {
  memory: SharedMemory;
  layout: Layout;
  arrays: StoredArrays;
  /** How patches of each configuration are made. */
  recipes: PatchRecipe[];
  /** How many cases it may hold open at once. */
  openCases: number;
}

/** One sample to be written into one slot of a ring. */
export interface SlotTask {
  entry: number;
  /** Its configuration, as a position in `Layout.configurations`. */
  configuration: number;
  slot: number;
  plan: SamplePlan;
}

/** What a worker needs of a plan. Of hundreds of small patches a task, the rest would cost more to send than they to make. */
export type SamplePlan = Pick<SlotPlan, 'sample' | 'caseNumber' | 'crop' | 'operations'>;

/** Samples that one worker writes, one after the other, with a scratch region of their own. */
export interface PatchTask {
  scratch: number;
  /** SlotTask[] as JSON: plans are many small objects, which JSON carries in half the time of a structured clone. */
  slots: string;
}

/** A worker's answer. With an error, the slot whose state is "writing" is the one that failed. */
export interface PatchAnswer {
  busyMs: number;
  /** Of that, what it computed: the rest it waited, for a disk or for a core. */
  cpuMs: number;
  /** What its samples took, for each configuration that one of them has. */
  spent: { configuration: number; times: StageTimes }[];
  error?: PackedError;
}
