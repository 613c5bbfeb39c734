import { isSpatial } from '../augmentation/pipeline.ts';
import { unfold } from '../augmentation/steps.ts';
import type { Step } from '../augmentation/transform.ts';
import { type PipelineStep, TRANSFORMS } from '../augmentation/transforms/index.ts';
import type { SpatialStep } from '../augmentation/transforms/spatial/spatial.ts';
import { OptionError } from '../common/errors.ts';
import { PatchLoader } from '../loader/loader.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import { prepareOptions } from '../loader/options/prepare.ts';
import type { PairRow } from './augmentation-sheet.ts';
import { type SheetSample, sheetSamples } from './contact-sheet.ts';
import { describeParameters, titleOf } from './words.ts';

/** Samples that are tried for each transform: some draw nothing, as a coin decides about each channel or axis. */
const TRIED = 16;
/** Pairs of a row. */
const SHOWN = 4;

/**
 * Patches before and after each step of a pipeline alone, made by a loader as in training, with foreground in each. Steps that have
 * nothing to show are left out: those that draw nothing for such patches, and those that only change what is outside.
 */
export async function augmentationPairs(given: LoaderOptions): Promise<PairRow[]> {
  const options = forced(given);
  const { streams } = await prepareOptions(options);
  const steps = streams.common.augmentation;
  // Keeps the crop the same, so that the same sample is the same place.
  const idle = steps.filter(isSpatial).map((step) => only(step, {}));
  // Its channels are not shown, but a cascade must have them.
  const cascade = steps.filter(({ transform }) => transform === 'oneHot');
  const before = await samplesOf(options, [...idle, ...cascade], null);
  const rows: PairRow[] = [];
  for (const { title, step } of alone(steps)) {
    const after = await samplesOf(options, [...(isSpatial(step) ? [] : idle), step, ...cascade], step);
    const pairs = after.flatMap(({ sample, parameters }, i) =>
      parameters === null ? [] : [{ before: before[i].sample, after: sample, caption: describeParameters(parameters) }],
    );
    if (pairs.length > 0) rows.push({ title, pairs: pairs.slice(0, SHOWN) });
  }
  return rows;
}

/** All samples show foreground, and are one configuration's: what decides otherwise is left out. @throws OptionError */
function forced({
  exposure: _,
  probabilisticOversampling: __,
  rank,
  worldSize,
  ranks,
  ring,
  validation,
  ...options
}: LoaderOptions): LoaderOptions {
  if (options.configs !== undefined)
    throw new OptionError('configs', 'the steps of one configuration are shown', 'Give `config`, and `augmentation`');
  return { ...options, batchSize: TRIED, oversample: 1, workers: 1, ring: 1, deepSupervision: false, regions: false };
}

/** Every step on its own, made each time. */
function alone(steps: readonly Step[]): { title: string; step: Step }[] {
  const visible = unfold(steps).filter(({ transform }) => !TRANSFORMS[transform].invisible);
  return visible.flatMap((step): { title: string; step: Step }[] => {
    if (!isSpatial(step)) return [{ title: titleOf(step), step: { ...step, probability: 1 } }];
    const { elasticProbability = 0 } = step;
    return [
      { title: 'rotation', step: only(step, { rotationProbability: 1 }) },
      { title: 'scaling', step: only(step, { scalingProbability: 1 }) },
      ...(elasticProbability > 0 ? [{ title: 'elastic deformation', step: only(step, { elasticProbability: 1 }) }] : []),
    ];
  });
}

function only(step: SpatialStep, parts: Partial<SpatialStep>): SpatialStep {
  return { ...step, probability: 1, rotationProbability: 0, scalingProbability: 0, elasticProbability: 0, ...parts };
}

/** @param shown whose parameters are wanted */
async function samplesOf(
  options: LoaderOptions,
  steps: readonly Step[],
  shown: Step | null,
): Promise<{ sample: SheetSample; parameters: unknown }[]> {
  await using loader = await PatchLoader.create({
    ...options,
    augmentation: steps as PipelineStep[],
  });
  using batch = await loader.next();
  return sheetSamples(batch, options.store.classes).map((sample, slot) => ({
    sample,
    parameters: batch.plans[slot].operations.find(({ step }) => steps[step] === shown)?.parameters ?? null,
  }));
}
