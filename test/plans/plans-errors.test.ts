import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPlans, resolveConfiguration } from '../../src/plans/plans-file.ts';
import { type PlansContent, plansContent, writePlans } from '../fixtures/plans.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const path = join(temporaryFolder(), 'nnUNetPlans.json');

const refusal = (what: string, action = /\S/) => ({
  name: 'PlansError',
  code: 'VOXFEED_BAD_PLANS',
  where: path,
  what: expect.stringContaining(what),
  action: expect.stringMatching(action),
  message: expect.stringContaining(path),
});

/** One argument a test: lists would be taken for several. */
const rows = (...values: unknown[]): [unknown][] => values.map((value) => [value]);

const read = async (content: PlansContent) => readPlans(writePlans(path, content));

/** Reads plans whose configuration "mine" has these entries instead of the usual ones, and resolves it. */
async function resolve(mine: Record<string, unknown>, content: PlansContent = {}) {
  const plans = await read({ ...content, configurations: { mine } });
  return new Promise((done) => done(resolveConfiguration(path, plans, 'mine')));
}

describe('a file of plans that cannot be read', () => {
  it('is missing, or a folder', async () => {
    const missing = join(temporaryFolder(), 'none.json');
    await expect(readPlans(missing)).rejects.toMatchObject({ name: 'FileError', where: missing, what: expect.stringContaining('ENOENT') });
    mkdirSync(missing);
    await expect(readPlans(missing)).rejects.toMatchObject({ name: 'FileError', where: missing, what: expect.stringContaining('EISDIR') });
  });

  it.each(['', '{"plans_name": ', 'not JSON', '{"plans_name": "a"} more'])('holds no JSON: %j', async (text) => {
    writeFileSync(path, text);
    await expect(readPlans(path)).rejects.toMatchObject(refusal('it is not JSON', /voxfeed plan/));
  });

  it.each(['[]', 'null', '3', '"text"'])('holds no object: %s', async (text) => {
    writeFileSync(path, text);
    await expect(readPlans(path)).rejects.toMatchObject(refusal(`${text} is no object`, /voxfeed plan/));
  });

  it.each(rows(undefined, null, [], {}, 'text'))('has for configurations %j', async (configurations) => {
    await expect(read({ more: { configurations } })).rejects.toMatchObject(refusal('configurations: ', /voxfeed plan/));
  });

  it.each(rows(undefined, 3, null))('has for a name %j', async (plans_name) => {
    await expect(read({ more: { plans_name } })).rejects.toMatchObject(refusal('plans_name: ', /voxfeed plan/));
  });

  it.each(rows(undefined, [0, 1], [0, 1, 1], [1, 2, 3], [0, 1, 2, 3], '0,1,2', [2, 1, null], ['0', '1', '2']))(
    'has for an order of axes %j',
    async (transpose_forward) => {
      const wrong = transpose_forward === undefined ? 'it is missing' : `${JSON.stringify(transpose_forward)} is not an order of the axes`;
      await expect(read({ more: { transpose_forward } })).rejects.toMatchObject(refusal(`transpose_forward: ${wrong}`, /voxfeed plan/));
    },
  );

  it.each(['../elsewhere', 'a/b', '', 'dataset', 'voxfeed'])(
    'has a name that makes no file name, or that of another file: %j',
    async (plans_name) => {
      await expect(read({ more: { plans_name } })).rejects.toMatchObject(refusal('plans_name: '));
    },
  );
});

describe('a configuration that cannot be followed', () => {
  it('is not there, and those that are get listed', async () => {
    const plans = await read({ configurations: { '2d': {} } });
    for (const name of ['3d_fulres', '', 'constructor', '__proto__'])
      expect(() => resolveConfiguration(path, plans, name)).toThrow(
        expect.objectContaining(refusal(`there is no configuration "${name}"`, /^Choose one of 3d_fullres, 2d$/)),
      );
  });

  it('has a parent that is not there', async () => {
    await expect(resolve({ inherits_from: '3d_lowres' })).rejects.toMatchObject(
      refusal('there is no configuration "3d_lowres", which mine inherits from', /^Choose one of 3d_fullres, mine$/),
    );
  });

  it('inherits in a circle, alone or by way of others', async () => {
    await expect(resolve({ inherits_from: 'mine' })).rejects.toMatchObject(refusal('inherit in a circle: mine → mine'));
    const plans = await read({ configurations: { a: { inherits_from: 'b' }, b: { inherits_from: 'c' }, c: { inherits_from: 'a' } } });
    expect(() => resolveConfiguration(path, plans, 'b')).toThrow(
      expect.objectContaining(refusal('inherit in a circle: b → c → a → b', /voxfeed plan/)),
    );
  });

  it.each(rows(null, 3, 'text', [1]))('is no object but %j', async (entry) => {
    const plans = read({ more: { configurations: { mine: entry } } });
    await expect(plans).rejects.toMatchObject(refusal(`configurations.mine: ${JSON.stringify(entry)} is no object`));
  });

  it.each(rows(undefined, null, 4, '4,4,4', [], [4], [4, 4, 4, 4], [4, 4, 0], [4, 4, -1], [4, 4, 2.5], ['4', '4', '4'], [4, 4, null]))(
    'has for a patch %j',
    async (patch_size) => {
      await expect(resolve({ patch_size })).rejects.toMatchObject(
        refusal(`configuration mine: "patch_size" is ${JSON.stringify(patch_size) ?? 'nothing'}`),
      );
    },
  );

  it.each(rows(undefined, [1, 1], [1, 1, 1, 1], [1, 1, 0], [1, -1, 1], ['1', 1, 1], [1, null, 1], 1))(
    'has for a spacing %j',
    async (spacing) => {
      await expect(resolve({ spacing })).rejects.toMatchObject(
        refusal(`configuration mine: "spacing" is ${JSON.stringify(spacing) ?? 'nothing'}`),
      );
    },
  );

  it('has a patch and a spacing of different numbers of axes', async () => {
    await expect(resolve({ patch_size: [4, 4] })).rejects.toMatchObject(refusal('"spacing" is [1,1,1]'));
    await expect(resolve({ patch_size: [4, 4], spacing: [1, 1] })).resolves.toMatchObject({ patchSize: [4, 4] });
  });

  it.each(rows(undefined, 0, -2, 1.5, '2', null, [2]))('has for a batch %j', async (batch_size) => {
    await expect(resolve({ batch_size })).rejects.toMatchObject(
      refusal(`configuration mine: "batch_size" is ${JSON.stringify(batch_size) ?? 'nothing'}`),
    );
  });

  it('has a normalisation that is not known, and the known ones get listed', async () => {
    const mine = { normalization_schemes: ['MyNormalization'], use_mask_for_norm: [false] };
    await expect(resolve(mine)).rejects.toMatchObject(refusal('the normalisation "MyNormalization" is not known', /CTNormalization/));
  });

  it.each(rows(undefined, [], 'ZScoreNormalization', {}))('has for normalisations %j', async (normalization_schemes) => {
    await expect(resolve({ normalization_schemes })).rejects.toMatchObject(
      refusal('configuration mine: "normalization_schemes" is missing'),
    );
  });

  it.each(rows(undefined, [], [true, false], true))('has for masks %j', async (use_mask_for_norm) => {
    await expect(resolve({ use_mask_for_norm })).rejects.toMatchObject(refusal('"use_mask_for_norm" does not match'));
  });

  it.each([{}, { mean: 1, std: 1, percentile_00_5: 0 }, { mean: 'NaN', std: 1, percentile_00_5: 0, percentile_99_5: 2 }])(
    'has for statistics of a CT channel %j',
    async (properties) => {
      const content = { normalisation: ['CTNormalization'], more: { foreground_intensity_properties_per_channel: { 0: properties } } };
      await expect(resolve({}, content)).rejects.toMatchObject(refusal('has no whole statistics of channel 0'));
    },
  );

  it('has a preprocessor or a resampling function that is not known', async () => {
    await expect(resolve({ preprocessor_name: 'Mine' })).rejects.toMatchObject(
      refusal('the preprocessor "Mine" is not known', /DefaultPreprocessor/),
    );
    for (const key of ['resampling_fn_data', 'resampling_fn_seg'])
      await expect(resolve({ [key]: 'resample_torch_fornnunet' })).rejects.toMatchObject(
        refusal(`"${key}" is "resample_torch_fornnunet"`, /resample_data_or_seg_to_shape/),
      );
  });

  it.each<[string, Record<string, unknown>]>([
    ['resampling_fn_data_kwargs', { order: 2 }],
    ['resampling_fn_data_kwargs', { order: '3' }],
    ['resampling_fn_data_kwargs', { order: 3, order_z: 5 }],
    ['resampling_fn_seg_kwargs', { order: 3 }],
  ])('has in %s %j', async (key, kwargs) => {
    await expect(resolve({ [key]: kwargs })).rejects.toMatchObject(refusal('is not known here', /The orders are/));
  });

  it.each<[string, Record<string, unknown>]>([
    ['an empty architecture', { architecture: {} }],
    ['an architecture without arguments', { architecture: { network_class_name: 'a.PlainConvUNet' } }],
    ['an architecture that is none', { architecture: 'U-Net' }],
    [
      'an old one without strides',
      { UNet_class_name: 'PlainConvUNet', UNet_base_num_features: 32, unet_max_num_features: 320, n_conv_per_stage_encoder: [2, 2] },
    ],
  ])('or has %s says so, or does without: it never fails otherwise', async (_, mine) => {
    const found = await resolve(mine).catch((error) => error);
    if (found instanceof Error) expect(found).toMatchObject(refusal('configuration mine'));
    else expect(found).toMatchObject({ name: 'mine', network: null });
  });

  it('is the only one that is refused', async () => {
    const plans = await read({ configurations: { mine: { batch_size: 0 } } });
    expect(resolveConfiguration(path, plans, '3d_fullres').patchSize).toEqual(plansContent().configurations['3d_fullres'].patch_size);
  });
});
