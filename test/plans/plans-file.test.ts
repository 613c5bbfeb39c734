import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Network } from '../../src/plans/network.ts';
import { architectureOf, networkFrom, type Plans } from '../../src/plans/plans.ts';
import { defaultConfiguration, readPlans, resolveConfiguration, sharesVoxels } from '../../src/plans/plans-file.ts';
import { LUNG, plan } from '../fixtures/experiment.ts';
import { type PlansContent, plansContent, writePlans } from '../fixtures/plans.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/nnUNetPlans.json');

async function written(content: PlansContent = {}) {
  const path = writePlans(join(temporaryFolder(), 'nnUNetPlans.json'), content);
  const plans = await readPlans(path);
  return { path, plans, resolve: (name: string) => resolveConfiguration(path, plans, name) };
}

describe('plans', () => {
  it('come back from their file as they were made, with what they decided', async () => {
    for (const planner of ['default', 'resenc-l'] as const) {
      const { plans, decisions } = plan(LUNG, { planner });
      const path = join(temporaryFolder(), 'Plans.json');
      writeFileSync(path, JSON.stringify(plans));
      const back = await readPlans(path);
      expect(back).toEqual(plans);
      for (const { name, patch, batch, spacing, network } of decisions) {
        expect(resolveConfiguration(path, back, name)).toEqual({
          name,
          patchSize: patch,
          batchSize: batch,
          spacing,
          transpose: [0, 1, 2],
          normalisation: [{ scheme: 'zscore', masked: false }],
          resampling: {
            data: { is_seg: false, order: 3, order_z: 0, force_separate_z: null },
            segmentation: { is_seg: true, order: 1, order_z: 0, force_separate_z: null },
          },
          network,
          batchDice: back.configurations[name].batch_dice,
          previousStage: null,
          dataIdentifier: back.configurations[name].data_identifier,
        });
      }
    }
  });

  it('keep entries that nobody here knows', async () => {
    const { plans } = await written({
      more: { somebody_elses: { a: [1] } },
      configurations: { mine: { inherits_from: '3d_fullres', their: 1 } },
    });
    expect(plans).toMatchObject({ somebody_elses: { a: [1] }, configurations: { mine: { their: 1 } } });
  });

  it('of the examples are the ones for all 260 cases of that data set', async () => {
    const plans = await readPlans(EXAMPLE);
    expect(plans).toEqual(JSON.parse(readFileSync(EXAMPLE, 'utf8')));
    expect(resolveConfiguration(EXAMPLE, plans, '3d_fullres')).toMatchObject({ patchSize: [40, 56, 40], batchSize: 9 });
    expect(resolveConfiguration(EXAMPLE, plans, '2d')).toMatchObject({ patchSize: [56, 40], batchSize: 366 });
  });

  it('of CT take the statistics of each channel, and none where there are none', async () => {
    const properties = { max: 9, mean: 5, median: 4, min: 1, percentile_00_5: 1.5, percentile_99_5: 8.5, std: 2 };
    const normalisation = ['NoNormalization', 'CTNormalization', 'CTNormalization', 'RGBTo01Normalization', 'RescaleTo01Normalization'];
    const { resolve } = await written({ normalisation, more: { foreground_intensity_properties_per_channel: { 1: properties } } });
    const [none, second, third, rgb, rescaled] = resolve('3d_fullres').normalisation;
    expect(second).toEqual({ scheme: 'ct', mean: 5, std: 2, percentile_00_5: 1.5, percentile_99_5: 8.5 });
    expect(third).toMatchObject({ scheme: 'ct', mean: 0, std: 1 });
    expect([none, rgb, rescaled]).toEqual([{ scheme: 'nonorm' }, { scheme: 'rgb_to_0_1' }, { scheme: 'rescale_to_0_1' }]);
  });

  it('mask the z-score of just the channels that say so', async () => {
    const normalisation = ['ZScoreNormalization', 'ZScoreNormalization'];
    const { resolve } = await written({ normalisation, configurations: { mine: { use_mask_for_norm: [false, true] } } });
    expect(resolve('mine').normalisation).toEqual([
      { scheme: 'zscore', masked: false },
      { scheme: 'zscore', masked: true },
    ]);
  });
});

describe('plans of older releases', () => {
  const network: Network = {
    kind: 'plain',
    features: [32, 64, 128, 256, 320, 320],
    strides: [
      [1, 1, 1],
      [2, 2, 2],
      [2, 2, 2],
      [2, 2, 2],
      [2, 2, 2],
      [1, 2, 2],
    ],
    kernels: new Array(6).fill([3, 3, 3]),
    encoder: [2, 2, 2, 2, 2, 2],
    decoder: [2, 2, 2, 2, 2],
  };
  const old = {
    UNet_class_name: 'PlainConvUNet',
    UNet_base_num_features: 32,
    unet_max_num_features: 320,
    n_conv_per_stage_encoder: network.encoder,
    n_conv_per_stage_decoder: network.decoder,
    num_pool_per_axis: [4, 5, 5],
    pool_op_kernel_sizes: network.strides,
    conv_kernel_sizes: network.kernels,
  };

  it('describe their network in fields of their own', async () => {
    const { resolve } = await written({ configurations: { plain: old, residual: { ...old, UNet_class_name: 'ResidualEncoderUNet' } } });
    expect(resolve('plain').network).toEqual(network);
    expect(resolve('residual').network).toEqual({ ...network, kind: 'residual' });
  });

  it('call the intensities those of modalities', async () => {
    const properties = { max: 9, mean: 5, median: 4, min: 1, percentile_00_5: 1.5, percentile_99_5: 8.5, std: 2 };
    const { plans, resolve } = await written({
      normalisation: ['CTNormalization'],
      more: { foreground_intensity_properties_per_channel: undefined, foreground_intensity_properties_by_modality: { 0: properties } },
    });
    expect(plans.foreground_intensity_properties_per_channel).toEqual({ 0: properties });
    expect(resolve('3d_fullres').normalisation).toEqual([{ scheme: 'ct', mean: 5, std: 2, percentile_00_5: 1.5, percentile_99_5: 8.5 }]);
  });

  it('may say nothing of resampling and preprocessor', async () => {
    const silent = Object.fromEntries(
      ['preprocessor_name', 'resampling_fn_data', 'resampling_fn_seg', 'resampling_fn_data_kwargs', 'resampling_fn_seg_kwargs'].map(
        (key) => [key, undefined],
      ),
    );
    const { resolve } = await written({ configurations: { silent } });
    expect(resolve('silent').resampling).toMatchObject({ data: { order: 3, order_z: 0 }, segmentation: { order: 1, order_z: 0 } });
  });

  it('or of other architectures have no network that is known here', async () => {
    const other = { architecture: { ...architectureOf(network), network_class_name: 'their.own.Transformer' } };
    const { resolve } = await written({ configurations: { other } });
    expect([resolve('3d_fullres').network, resolve('other').network]).toEqual([null, null]);
  });

  it('and new ones tell the same network', () => {
    for (const kind of ['plain', 'residual'] as const)
      expect(networkFrom(architectureOf({ ...network, kind }))).toEqual({ ...network, kind });
  });
});

describe('inheritance', () => {
  it('puts the entries of a child over those of its parent, and of its parent', async () => {
    const { resolve } = await written({
      configurations: {
        child: { inherits_from: '3d_fullres', batch_size: 7 },
        grandchild: { inherits_from: 'child', patch_size: [6, 6, 6], previous_stage: 'child' },
      },
    });
    expect(resolve('child')).toEqual({ ...resolve('3d_fullres'), name: 'child', batchSize: 7 });
    expect(resolve('grandchild')).toEqual({ ...resolve('child'), name: 'grandchild', patchSize: [6, 6, 6], previousStage: 'child' });
  });

  it('replaces a nested entry as a whole', async () => {
    const kwargs = { is_seg: false, order: 1 };
    const { resolve } = await written({ configurations: { child: { inherits_from: '3d_fullres', resampling_fn_data_kwargs: kwargs } } });
    expect(resolve('child').resampling.data).toEqual({ is_seg: false, order: 1, order_z: 0, force_separate_z: null });
  });
});

describe('the configuration that nobody names', () => {
  it.each([
    [['2d', '3d_lowres', '3d_fullres'], '3d_fullres'],
    [['mine', '2d'], '2d'],
    [['mine', 'other'], 'mine'],
  ])('of %j is %s', (names, expected) => {
    const configurations = Object.fromEntries(names.map((name) => [name, plansContent().configurations['3d_fullres']]));
    expect(defaultConfiguration({ configurations } as unknown as Plans)).toBe(expected);
  });
});

describe('cases that were written for one configuration', () => {
  it('serve others with the same spacing, and 2D ones with the same spacing within slices', async () => {
    const { resolve } = await written({
      spacing: [3, 1, 0.5],
      configurations: {
        same: { patch_size: [8, 8, 8] },
        flat: { patch_size: [8, 8], spacing: [1, 0.5] },
        'other slices': { patch_size: [8, 8], spacing: [3, 1] },
        coarser: { spacing: [3, 1.03, 0.515] },
        'other axis': { spacing: [2, 1, 0.5] },
      },
    });
    const served = (from: string) =>
      ['3d_fullres', 'same', 'flat', 'other slices', 'coarser', 'other axis'].filter((name) => sharesVoxels(resolve(from), resolve(name)));
    expect(served('3d_fullres')).toEqual(['3d_fullres', 'same', 'flat']);
    expect(served('coarser')).toEqual(['coarser']);
    // Cases of a 2D configuration keep their own spacing between slices.
    expect(served('flat')).toEqual(['flat']);
  });
});
