import type { CompleteStep } from '../augmentation/transform.ts';
import type { CustomStep } from '../augmentation/transforms/custom.ts';
import { STAGE, type StageTimes } from '../common/progress.ts';

/** What a loader's time goes into, in milliseconds since it was created; of all streams. */
export interface Stages {
  /** Workers: voxels from files and from memory, cropped where they are not warped. From an .npy file that is one with the disk's time. */
  read: number;
  /** Workers: decompressing .b2nd blocks and .npz archives. */
  decode: number;
  /** Workers: rotating, scaling and deforming images. */
  warpImage: number;
  /** Workers: the same of labels. */
  warpLabels: number;
  /** Workers: the steps of the augmentation besides rotating, scaling and mirroring; one by one in `transforms`. */
  transforms: number;
  /** Workers: mirroring. 0 where it is done while patches are read. */
  mirror: number;
  /** Workers: coarser targets, masks of regions, counting classes. */
  deepSupervision: number;
  /** Workers: what is left of `workerBusyMs`. */
  other: number;
  /** The thread of the loader: deciding what each sample is. */
  plan: number;
  /** The thread of the loader: handing samples to workers, and looking at what became of them. */
  dispatch: number;
}

/** What one transform took in the workers. */
export interface TransformTime {
  ms: number;
  /** Samples that it was drawn for. */
  samples: number;
}

export interface StageMetrics {
  stages: Stages;
  /** By name, as 'gamma', and as 'custom ./my-transform.ts'; 'spatial' is warping images and labels. */
  transforms: Record<string, TransformTime>;
}

/**
 * Names what workers measured.
 * @param steps of each configuration
 * @param times of each configuration; none where no sample of it was made
 */
export function stageMetrics(
  steps: readonly (readonly CompleteStep[])[],
  times: readonly (StageTimes | undefined)[],
  { busyMs, planMs, dispatchMs }: { busyMs: number; planMs: number; dispatchMs: number },
): StageMetrics {
  const sum = (stage: number): number => times.reduce((total, of) => total + (of?.[2 * stage] ?? 0), 0);
  const warp = { warpImage: sum(STAGE.warpingImage), warpLabels: sum(STAGE.warpingLabels) };
  const transforms: Record<string, TransformTime> = {};
  for (const [configuration, pipeline] of steps.entries()) {
    for (const [step, options] of pipeline.entries()) {
      const at = 2 * (options.transform === 'spatial' ? STAGE.warpingLabels : STAGE.step + step);
      transforms[nameOf(options)] ??= { ms: 0, samples: 0 };
      const one = transforms[nameOf(options)];
      one.ms += times[configuration]?.[at] ?? 0;
      one.samples += times[configuration]?.[at + 1] ?? 0;
    }
  }
  if (transforms.spatial) transforms.spatial.ms += warp.warpImage;
  const others = Object.entries(transforms).filter(([name]) => name !== 'spatial' && name !== 'mirror');
  const inWorkers = {
    read: sum(STAGE.reading),
    decode: sum(STAGE.decoding),
    ...warp,
    transforms: others.reduce((total, [, { ms }]) => total + ms, 0),
    mirror: transforms.mirror?.ms ?? 0,
    deepSupervision: sum(STAGE.targets),
  };
  const named = Object.values(inWorkers).reduce((total, ms) => total + ms, 0);
  return { stages: { ...inWorkers, other: Math.max(0, busyMs - named), plan: planMs, dispatch: dispatchMs }, transforms };
}

function nameOf(step: CompleteStep): string {
  return step.transform === 'custom' ? `custom ${(step as unknown as CustomStep).module}` : step.transform;
}
