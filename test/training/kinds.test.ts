import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { Predictor, readPlans, type Store, type TrainOptions, type TrainReport, train, writeStore } from '../../src/index.ts';
import { writeNifti } from '../fixtures/nifti-file.ts';
import { EXAMPLE_PLANS } from '../fixtures/paths.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { noise } from './gpu.ts';

const dir = temporaryFolder();
/** A small residual encoder: its shaders are compiled once for these tests and those of recorded steps. */
const { architecture, patch_size, batch_size } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'network/recorded-steps/steps.json'), 'utf8'),
);
const SHAPE: Triple = [8, 12, 16];
const COUNT = 8 * 12 * 16;
const LABELS = { background: 0, outer: 1, inner: 2 };
const REGIONS = { background: 0, whole: [1, 2, 4], core: [2, 4], last: 4, ignore: 5 };

/** What is changed of a configuration in plans. */
interface Planned {
  architecture: unknown;
  patch_size: number[];
  batch_size: number;
  spacing: number[];
  normalization_schemes: string[];
  use_mask_for_norm: boolean[];
  previous_stage?: string;
}

interface Kind {
  labels: Record<string, number | number[]>;
  /** Of the images. */
  channels: number;
  cascade?: true;
}

/** Three cases of boxes in boxes, darker than what is around them; in plane 0 there is the highest label. */
async function makeStore(folder: string, { labels, channels, cascade }: Kind): Promise<Store> {
  const plans = await readPlans(EXAMPLE_PLANS);
  const fullres = plans.configurations['3d_fullres'] as unknown as Planned;
  Object.assign(fullres, { architecture, patch_size, batch_size, spacing: [1, 1, 1] });
  fullres.normalization_schemes = Array(channels).fill('ZScoreNormalization');
  fullres.use_mask_for_norm = Array(channels).fill(false);
  if (cascade) fullres.previous_stage = '3d_lowres';
  plans.configurations = { '3d_fullres': fullres as never };
  const values = Object.values(labels).flat();
  const cases = ['a', 'b', 'c'].map((id, number) => {
    const segmentation = Int8Array.from({ length: COUNT }, (_, i) => {
      const [z, y, x] = [Math.floor(i / 192), Math.floor(i / 16) % 12, i % 16];
      if (z === 0) return Math.max(...values);
      return z < 2 || y < 2 || x < 3 ? 0 : y > 5 && x > 7 ? 2 : 1;
    });
    const image = Float32Array.from({ length: channels * COUNT }, (_, i) => 0.3 * noise(number)(i) - segmentation[i % COUNT]);
    return { id, shape: SHAPE, spacing: [1, 1, 1] as Triple, image, segmentation };
  });
  const names = Array.from({ length: channels }, (_, channel) => `MRI ${channel}`);
  return writeStore(join(folder, 'store'), { name: 'boxes', channels: names, labels, plans, cases });
}

describe.each<[string, Kind]>([
  ['a residual encoder', { labels: LABELS, channels: 4 }],
  ['regions and an ignore label', { labels: REGIONS, channels: 4 }],
  ["a cascade's second stage", { labels: LABELS, channels: 2, cascade: true }],
])('%s', (name, kind) => {
  const folder = join(dir, name);
  const model = join(folder, 'model');
  let store: Store;
  let previousStage: { previousStage: string } | undefined;

  beforeAll(async () => {
    store = await makeStore(folder, kind);
    if (kind.cascade) previousStage = { previousStage: writePrevious(join(folder, 'previous'), store) };
  });

  it('trains, and goes on exactly as if it had not been cut off', async () => {
    const options: Omit<TrainOptions, 'out'> = {
      iterations: 2,
      validationIterations: 1,
      epochs: 2,
      // As the recorded steps, whatever the adapter has.
      precision: 'float32',
      seed: 5,
      workers: 1,
      cases: { training: ['a', 'b'], validation: ['c'] },
      ...previousStage,
    };
    const whole = await train(store, { ...options, out: join(folder, 'whole') });
    const stop = new Error('enough');
    const begun = train(store, {
      ...options,
      out: model,
      onEpoch() {
        throw stop;
      },
    });
    await expect(begun).rejects.toBe(stop);
    const continued = await train(store, { ...previousStage, out: model, workers: 1, continue: true });
    const told = ({ epochs }: TrainReport) =>
      epochs.map(({ losses, gradientNorms, validationLoss, pseudoDice }) => ({ losses, gradientNorms, validationLoss, pseudoDice }));
    expect(told(continued)).toEqual(told(whole));
    expect(
      told(whole)
        .flatMap(({ losses }) => losses)
        .every(Number.isFinite),
    ).toBe(true);
    // Without background, and without the ignore label.
    expect(told(whole).map(({ pseudoDice }) => pseudoDice?.length)).toEqual(kind.labels === REGIONS ? [3, 3] : [2, 2]);
    const { options: saved } = JSON.parse(readFileSync(join(model, 'checkpoint.json'), 'utf8'));
    expect(saved).toMatchObject({ channels: 4, classes: 3 });
  });

  it('predicts', async () => {
    const images = Array.from({ length: kind.channels }, (_, channel) => {
      const path = join(folder, `image_000${channel}.nii`);
      writeNifti(path, { shape: SHAPE, data: Array.from({ length: COUNT }, (_, i) => 3 + noise(channel)(i)) });
      return path;
    });
    const before = [1, 2].map((label) => {
      const path = join(folder, `before-${label}.nii`);
      writeNifti(path, { shape: SHAPE, datatype: 'uint8', data: Array(COUNT).fill(label) });
      return path;
    });
    const dataset = join(model, 'dataset.json');
    const open = (more: { regions_class_order?: number[] } = {}) => {
      writeFileSync(dataset, JSON.stringify({ ...JSON.parse(readFileSync(dataset, 'utf8')), file_ending: '.nii', ...more }));
      return Predictor.open(model);
    };
    if (kind.labels === REGIONS) await expect(open()).rejects.toThrow(/dataset\.json: "regions_class_order" is missing/);
    using predictor = await open(kind.labels === REGIONS ? { regions_class_order: [7, 2, 4] } : {});
    if (kind.cascade) {
      await expect(predictor.predict(images)).rejects.toThrow(/previousStage: the network goes on from 3d_lowres, whose labels/);
      const [first, second] = [
        await predictor.predict(images, { disableTta: true, previousStage: before[0] as string }),
        await predictor.predict(images, { disableTta: true, previousStage: before[1] as string }),
      ];
      expect(first).not.toEqual(second);
      return;
    }
    const found = new Set(await predictor.predict(images, { disableTta: true }));
    const known = kind.labels === REGIONS ? [0, 7, 2, 4] : [0, 1, 2];
    expect([...found].filter((label) => !known.includes(label))).toEqual([]);
    await expect(predictor.predict(images, { disableTta: true, previousStage: before[0] as string })).rejects.toThrow(
      /previousStage: the network goes on from no previous stage/,
    );
  });
});
