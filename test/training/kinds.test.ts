import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { Predictor, readPlans, type Store, type TrainOptions, type TrainReport, train, writeStore } from '../../src/index.ts';
import type { Plans } from '../../src/plans/plans.ts';
import { writeNifti } from '../fixtures/nifti-file.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { noise } from './gpu.ts';
import { tinyPlans } from './tiny-training.ts';

const dir = temporaryFolder();
const SHAPE: Triple = [16, 16, 16];
const COUNT = 4096;
const CASES = ['a', 'b', 'c'];

/** Three cases, each a box of label 1 with one of label 2 in it, darker than what is around them; plane 0 has `ignore`. */
function makeStore(name: string, plans: Plans, labels: Record<string, number | number[]>): Promise<Store> {
  const cases = CASES.map((id, number) => {
    const segmentation = Int8Array.from({ length: COUNT }, (_, i) => {
      const [z, y, x] = [i >> 8, (i >> 4) & 15, i & 15];
      if (z === 0 && labels.ignore !== undefined) return labels.ignore as number;
      const within = (lower: number, upper: number) => [z, y, x].every((at) => at >= lower && at < upper);
      return within(6, 10) ? 2 : within(3, 13) ? 1 : 0;
    });
    const image = Float32Array.from(segmentation, (label, i) => 0.3 * noise(number)(i) - label);
    return { id, shape: SHAPE, spacing: [1, 1, 1] as Triple, image, segmentation };
  });
  return writeStore(join(dir, name, 'store'), { name, channels: ['MRI'], labels, plans, cases });
}

const LABELS = { background: 0, outer: 1, inner: 2 };
const REGIONS = { background: 0, whole: [1, 2], inner: 2, ignore: 3 };
/** What is changed of a configuration in plans. */
interface Planned {
  spacing: number[];
  architecture: { network_class_name: string; arch_kwargs: Record<string, unknown> };
  previous_stage?: string;
}
type Change = (configuration: Planned) => void;

/** As nnU-Net's ResEnc presets describe it. */
const residual: Change = ({ architecture }) => {
  const { n_conv_per_stage: blocks, ...rest } = architecture.arch_kwargs;
  architecture.network_class_name = 'dynamic_network_architectures.architectures.unet.ResidualEncoderUNet';
  architecture.arch_kwargs = { ...rest, n_blocks_per_stage: blocks };
};
const cascade: Change = (configuration) => {
  configuration.previous_stage = '3d_lowres';
};

describe.each<[string, Record<string, number | number[]>, Change, number]>([
  ['a residual encoder', LABELS, residual, 1],
  ['regions and an ignore label', REGIONS, () => {}, 1],
  ["a cascade's second stage", LABELS, cascade, 3],
])('%s', (name, labels, change, channels) => {
  let store: Store;
  let options: Omit<TrainOptions, 'out'>;
  const model = join(dir, name, 'model');

  beforeAll(async () => {
    const plans = await readPlans(tinyPlans(join(dir, 'plans.json')));
    const fullres = plans.configurations['3d_fullres'] as unknown as Planned;
    fullres.spacing = [1, 1, 1];
    change(fullres);
    store = await makeStore(name, plans, labels);
    options = {
      iterations: 3,
      validationIterations: 1,
      epochs: 2,
      seed: 5,
      workers: 1,
      cases: { training: ['a', 'b'], validation: ['c'] },
      ...(change === cascade && { previousStage: writePrevious(join(dir, name, 'previous'), store) }),
    };
  }, 400_000);

  it('trains, and goes on exactly as if it had not been cut off', async () => {
    const whole = await train(store, { ...options, out: join(dir, name, 'whole') });
    const stop = new Error('enough');
    const begun = train(store, {
      ...options,
      out: model,
      onEpoch() {
        throw stop;
      },
    });
    await expect(begun).rejects.toBe(stop);
    const { previousStage } = options;
    const continued = await train(store, { out: model, workers: 1, continue: true, ...(previousStage && { previousStage }) });
    const told = ({ epochs }: TrainReport) =>
      epochs.map(({ losses, gradientNorms, validationLoss, pseudoDice }) => ({ losses, gradientNorms, validationLoss, pseudoDice }));
    expect(told(continued)).toEqual(told(whole));
    expect(
      told(whole)
        .flatMap(({ losses }) => losses)
        .every(Number.isFinite),
    ).toBe(true);
    expect(told(whole).map(({ pseudoDice }) => pseudoDice?.length)).toEqual([2, 2]);
    const { options: saved } = JSON.parse(readFileSync(join(model, 'checkpoint.json'), 'utf8'));
    expect(saved).toMatchObject({ channels, classes: labels === REGIONS ? 2 : 3 });
  });

  it('predicts', async () => {
    const image = join(dir, name, 'image_0000.nii');
    writeNifti(image, { shape: SHAPE, datatype: 'float32', data: Array.from({ length: COUNT }, (_, i) => 3 + noise(9)(i)) });
    const previous = [1, 2].map((label) => {
      const path = join(dir, name, `previous-${label}.nii`);
      writeNifti(path, { shape: SHAPE, datatype: 'uint8', data: Array(COUNT).fill(label) });
      return path;
    });
    const dataset = join(model, 'dataset.json');
    const open = (order?: number[]) => {
      const json = JSON.parse(readFileSync(dataset, 'utf8'));
      writeFileSync(dataset, JSON.stringify({ ...json, file_ending: '.nii', ...(order && { regions_class_order: order }) }));
      return Predictor.open(model);
    };
    if (labels === REGIONS) await expect(open()).rejects.toThrow(/dataset\.json: "regions_class_order" is missing/);
    using predictor = await open(labels === REGIONS ? [7, 2] : undefined);
    const predict = async (previousStage?: string) =>
      predictor.predict([image], { disableTta: true, ...(previousStage && { previousStage }) });
    if (change === cascade) {
      await expect(predict()).rejects.toThrow(/previousStage: the network goes on from 3d_lowres, whose labels of the case are not given/);
      const [first, second] = [await predict(previous[0]), await predict(previous[1])];
      expect(first).not.toEqual(second);
      expect([...new Set([...first, ...second])].every((label) => label <= 2)).toBe(true);
      return;
    }
    const found = new Set(await predict());
    expect([...found].every((label) => (labels === REGIONS ? [0, 7, 2] : [0, 1, 2]).includes(label))).toBe(true);
    await expect(predict(previous[0])).rejects.toThrow(/previousStage: the network goes on from no previous stage/);
  });
});
