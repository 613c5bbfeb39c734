import { recipeOf } from '../../src/augmentation/recipe.ts';
import type { SpatialParameters } from '../../src/augmentation/transforms/spatial/spatial.ts';
import type { LoaderOptions, Store } from '../../src/index.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { prepareOptions } from '../../src/loader/options/prepare.ts';
import { samplingOf } from '../../src/loader/options/streams.ts';
import { planBatch, type SlotPlan } from '../../src/sampling/slot-plan.ts';

/** What a loader draws and makes: columns, one value a box or a patch. */
export interface Samples {
  boxes: {
    case: string[];
    /** 0 or 1: whether it was meant to hold foreground. */
    forced: number[];
    /** The label that it is centred on; 0: anywhere. */
    class: number[];
    /** Of what is read for a patch: its first voxel, by axis. */
    lower: number[][];
  };
  /** Mean, deviation and quantiles of the intensities, part of the voxels that are foreground, voxels of each label; all after augmentation. */
  patches: Record<string, number[]>;
  /** Transforms that changed something: as nnU-Net's blur leaves half of the channels alone, drawing it is not enough. */
  transforms: { samples: number; fired: Record<string, number> };
}

export const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95];

/** Boxes and operations that voxfeed draws: planned as for a loader, and not made. */
export async function drawnSamples(
  store: Store,
  options: Omit<LoaderOptions, 'store'>,
  count: number,
): Promise<Pick<Samples, 'boxes' | 'transforms'>> {
  const { streams } = await prepareOptions({ ...options, store });
  const [configuration] = streams.training.configurations;
  const { pipeline } = recipeOf(configuration);
  const sampling = samplingOf(configuration, pipeline);
  const plans: SlotPlan[] = [];
  for (let batch = 0; plans.length < count; batch++) plans.push(...planBatch(store, sampling, batch));
  plans.length = count;
  const inverted = pipeline.steps.map((step) => 'invert' in step && step.invert === true);
  const fired: Record<string, number> = {};
  for (const { operations } of plans)
    for (const operation of operations) for (const name of namesOf(operation, inverted)) fired[name] = (fired[name] ?? 0) + 1;
  return {
    boxes: {
      case: plans.map(({ caseNumber }) => store.cases[caseNumber].id),
      forced: plans.map(({ forced }) => Number(forced)),
      class: plans.map(({ classNumber }) => (classNumber === null ? 0 : store.classes[classNumber].labels[0])),
      lower: [0, 1, 2].map((axis) => plans.map(({ crop }) => crop.lower[axis])),
    },
    transforms: { samples: count, fired },
  };
}

/** What an operation counts as. */
function namesOf({ step, transform, parameters }: SlotPlan['operations'][number], inverted: readonly boolean[]): string[] {
  if (transform === 'mirror') return (parameters as { axes: number[] }).axes.map((axis) => `mirror, axis ${axis}`);
  if (transform === 'gamma') return [inverted[step] ? 'gamma, inverted' : 'gamma'];
  // Outside becomes background in every sample: nothing is drawn, and no image is changed.
  if (transform === 'replaceLabel') return [];
  if (transform !== 'spatial') return [transform];
  const { angles, scales } = parameters as SpatialParameters;
  return [...(angles.some((angle) => angle !== 0) ? ['rotation'] : []), ...(scales.some((scale) => scale !== 1) ? ['scaling'] : [])];
}

/** Patches that voxfeed makes, measured. */
export async function madeSamples(store: Store, options: Omit<LoaderOptions, 'store'>, count: number): Promise<Samples['patches']> {
  await using loader = await PatchLoader.create({ ...options, store });
  const labels = store.classes.map(({ labels: [label] }) => label);
  const columns: Samples['patches'] = {};
  for (let made = 0; made < count; ) {
    using batch = await loader.next();
    const [samples] = batch.dataShape;
    const [voxels, labelled] = [batch.data.length / samples, batch.target.length / samples];
    for (let i = 0; i < samples; i++, made++) {
      const image = batch.data.subarray(i * voxels, (i + 1) * voxels);
      const found = { ...intensities(image), ...volumes(batch.target.subarray(i * labelled, (i + 1) * labelled), labels) };
      for (const [name, value] of Object.entries(found)) {
        columns[name] ??= [];
        columns[name].push(value);
      }
    }
  }
  return columns;
}

function intensities(image: Float32Array): Record<string, number> {
  const ordered = Float32Array.from(image).sort();
  let [sum, squares] = [0, 0];
  for (const value of ordered) sum += value;
  const mean = sum / ordered.length;
  for (const value of ordered) squares += (value - mean) ** 2;
  const quantiles = QUANTILES.map((quantile): [string, number] => [
    `quantile ${quantile}`,
    ordered[Math.floor(quantile * (ordered.length - 1) + 0.5)],
  ]);
  return { mean, deviation: Math.sqrt(squares / ordered.length), ...Object.fromEntries(quantiles) };
}

function volumes(target: ArrayLike<number>, labels: readonly number[]): Record<string, number> {
  const counts = new Map<number, number>(labels.map((label) => [label, 0]));
  let foreground = 0;
  for (let i = 0; i < target.length; i++) {
    if (target[i] <= 0) continue;
    foreground++;
    counts.set(target[i], (counts.get(target[i]) ?? 0) + 1);
  }
  return {
    foreground: foreground / target.length,
    ...Object.fromEntries(labels.map((label) => [`voxels of label ${label}`, counts.get(label) ?? 0])),
  };
}
