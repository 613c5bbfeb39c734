import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../../src/augmentation/presets.ts';
import type { PipelineStep } from '../../src/augmentation/transforms/index.ts';
import { OptionError, StateError } from '../../src/common/errors.ts';
import { Digest } from '../../src/common/hash.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { prepareOptions } from '../../src/loader/options/prepare.ts';
import { type LoaderState, saveState } from '../../src/loader/options/state.ts';
import { faultyLoader, forgetFaults } from '../fixtures/faulty-loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';

const { dir, options: plain } = await loaderFixture();
const store = await makeStore(join(dir, 'two-channels'), {
  channels: 2,
  shapes: [
    [14, 22, 19],
    [9, 30, 17],
    [16, 16, 16],
  ],
});
const options: LoaderOptions = {
  ...plain,
  store,
  augmentation: 'default',
  deepSupervision: [
    [1, 1, 1],
    [0.5, 0.5, 0.5],
  ],
};

async function hashes(given: LoaderOptions, count: number, create = (of: LoaderOptions) => PatchLoader.create(of)): Promise<string[]> {
  await using loader = await create(given);
  const found: string[] = [];
  for (let i = 0; i < count; i++) {
    using batch = await loader.next();
    const digest = (await Digest.create()).update(batch.data);
    for (const target of batch.targets) digest.update(target);
    found.push(digest.hex());
  }
  return found;
}

/** One scale for every axis of a patch. */
const scales = (patchSize: readonly number[], ...of: number[]): number[][] => of.map((scale) => patchSize.map(() => scale));

/** Pipelines and patches that go different ways through the code. */
const KINDS: Record<string, Partial<LoaderOptions>> = {
  '3D': {},
  '2D': { patchSize: [13, 12], deepSupervision: scales([1, 1], 1, 0.5) },
  'slice by slice': { patchSize: [3, 13, 14] },
  'every order of nnU-Net': { augmentation: 'da5' },
  'nearest labels': { augmentation: 'order0' },
  "nnU-Net's arithmetic": { nnunetCompat: true },
  'reflected at the borders': { padMode: 'reflect' },
  'deformed, from the whole crop': {
    augmentation: [
      { transform: 'noise' },
      { transform: 'spatial', rotationProbability: 1, scalingProbability: 1, elasticProbability: 1 },
      { transform: 'mirror' },
      { transform: 'replaceLabel' },
    ],
  },
};

describe('an augmented stream', () => {
  it.each(Object.keys(KINDS))('(%s) is the same for any number of workers, from memory or from files', async (name) => {
    const given = { ...options, ...KINDS[name] };
    const expected = await hashes({ ...given, workers: 1 }, 12);
    expect(new Set(expected).size).toBe(12);
    expect(await hashes({ ...given, workers: 3 }, 12)).toEqual(expected);
    expect(await hashes({ ...given, workers: 2, cacheBytes: 0 }, 12)).toEqual(expected);
  });

  it('is not changed by workers that die', async () => {
    const expected = await hashes(options, 12);
    const faults = [7, 30, 41].map((sample) => ({ sample, kind: 'exit', times: 1 }) as const);
    try {
      expect(await hashes(options, 12, (given) => faultyLoader(dir, faults, given))).toEqual(expected);
    } finally {
      forgetFaults();
    }
  });

  it('continues from its state, which knows the pipeline', async () => {
    const expected = await hashes(options, 9);
    const loader = await PatchLoader.create(options);
    for (let i = 0; i < 5; i++) (await loader.next()).dispose();
    const state = JSON.parse(JSON.stringify(loader.state()));
    await loader.close();
    expect(await hashes({ store, state } as unknown as LoaderOptions, 4)).toEqual(expected.slice(5));
    const other = PatchLoader.create({ store, state, augmentation: 'noMirroring' });
    await expect(other).rejects.toThrow(StateError);
    await expect(other).rejects.toThrow(/saved with augmentation/);
  });

  it('is the same whether its steps say their defaults or leave them out, also where it continues', async () => {
    const short = [{ transform: 'noise' }, { transform: 'oneOf', of: [{ transform: 'gamma', invert: true }] }] as const;
    const long = [
      { transform: 'noise', channelProbability: 1, sigma: [0, 0.1], probability: 1 },
      { transform: 'oneOf', of: [{ invert: true, retainStats: true, transform: 'gamma' }] },
    ] as const;
    const folded: LoaderOptions = { ...options, fold: 'all' };
    const expected = await hashes({ ...folded, augmentation: short }, 4);
    expect(await hashes({ ...folded, augmentation: long }, 4)).toEqual(expected);
    const loader = await PatchLoader.create({ ...folded, augmentation: short, validation: { augmentation: short } });
    for (let i = 0; i < 2; i++) (await loader.next()).dispose();
    const state = JSON.parse(JSON.stringify(loader.state()));
    await loader.close();
    // States say what was given.
    expect(state.augmentation).toEqual(short);
    expect(await hashes({ store, state, augmentation: long, validation: { augmentation: long } } as LoaderOptions, 2)).toEqual(
      expected.slice(2),
    );
    const others = [{ ...long[0], sigma: [0, 0.2] }, long[1]] as LoaderOptions['augmentation'] & object;
    for (const given of [{ augmentation: others }, { validation: { augmentation: others } }])
      await expect(PatchLoader.create({ store, state, ...given })).rejects.toThrow(/saved with (validation\.)?augmentation/);
  });

  it('has the same bytes with and without the vector units that processors differ in', () => {
    const run = (flags: string[]): string =>
      execFileSync(
        process.execPath,
        [
          ...flags,
          join(import.meta.dirname, 'stream-hash.ts'),
          store.dir,
          JSON.stringify({ ...options, store: undefined, augmentation: 'da5' }),
          '6',
        ],
        { encoding: 'utf8' },
      );
    const units = ['avx', 'avx2', 'fma3', 'f16c', 'bmi1', 'bmi2', 'lzcnt', 'popcnt'];
    const expected = run([]);
    expect(expected).toMatch(/^[0-9a-f]{16}\n$/);
    // Other processors than x86-64 do not know these flags, and take them all the same.
    expect(run(units.map((unit) => `--no-enable-${unit}`))).toBe(expected);
  });

  it.each(PRESETS)('(%s) has plans of plain data, images without NaN, and labels of the data set', async (augmentation) => {
    await using loader = await PatchLoader.create({ ...options, augmentation });
    for (let i = 0; i < 10; i++) {
      using batch = await loader.next();
      for (const { operations } of batch.plans) expect(JSON.parse(JSON.stringify(operations))).toEqual(operations);
      expect(batch.data.every(Number.isFinite)).toBe(true);
      for (const target of batch.targets)
        expect(target.every((label) => label <= 2 && label >= (augmentation === 'none' ? -1 : 0))).toBe(true);
      expect(batch.foreground).toEqual(
        batch.plans.map((_, slot) => batch.target.subarray(slot * 720, (slot + 1) * 720).some((x) => x > 0)),
      );
    }
  });
});

describe('a transform of the user', () => {
  it('is drawn here and applied in the workers', async () => {
    const module = join(dir, 'invert.ts');
    writeFileSync(
      module,
      `export default {
        draw: (draws, context, { most }) => ({ sign: -1, add: Math.floor(most * draws.uniform()) }),
        apply: ({ image, target }, { sign, add }) => {
          for (const channel of image) for (let i = 0; i < channel.length; i++) channel[i] = sign * channel[i] + add;
          target.fill(2);
        },
      };`,
    );
    const step = { transform: 'custom' as const, module, options: { most: 10 } };
    await using loader = await PatchLoader.create({ ...plain, augmentation: [step] });
    await using bare = await PatchLoader.create({ ...plain });
    using batch = await loader.next();
    using before = await bare.next();
    const adds = batch.plans.map(({ operations }) => (operations[0].parameters as { drawn: { add: number } }).drawn.add);
    expect(new Set(adds).size).toBeGreaterThan(2);
    expect(batch.data).toEqual(before.data.map((value, i) => Math.fround(adds[Math.floor(i / 720)] - value)));
    expect(batch.target.every((label) => label === 2)).toBe(true);
    expect(batch.foreground.every(Boolean)).toBe(true);
  });

  it('that cannot be drawn ends the stream by the name of module, function and sample', async () => {
    const module = join(dir, 'undrawable.mjs');
    writeFileSync(module, "export default { draw() { throw new Error('no luck'); }, apply() {} };");
    await using loader = await PatchLoader.create({ ...plain, augmentation: [{ transform: 'custom', module } as PipelineStep] });
    await expect(loader.next()).rejects.toThrow(
      /^sample 0: its augmentation cannot be drawn: custom transform .*undrawable\.mjs: `draw` threw Error: no luck\. Correct the module\. Mend/,
    );
  });

  it('of a state is imported only where the options allow it or name it, too', async () => {
    const module = join(dir, 'stranger.mjs');
    writeFileSync(module, 'globalThis.strangers = (globalThis.strangers ?? 0) + 1; export default { apply() {} };');
    const augmentation = [{ transform: 'oneOf', of: [{ transform: 'custom', module } as PipelineStep] }] as PipelineStep[];
    const { streams } = await prepareOptions({ ...plain, augmentation: [{ transform: 'mirror' }] });
    const innocent = saveState(streams, { training: 3, validation: 0 });
    const { store } = plain;
    const state = { ...innocent, augmentation } as unknown as LoaderState;
    for (const given of [
      { store, state },
      { store, state, allowModules: false },
      { store, state, seed: innocent.seed },
    ])
      await expect(prepareOptions(given)).rejects.toThrow(
        /^allowModules: the state runs code: its augmentation names the module .*stranger\.mjs/,
      );
    const foreign = JSON.parse(JSON.stringify(state).replace(JSON.stringify(module), '"data:text/javascript,globalThis.strangers=9"'));
    await expect(prepareOptions({ store, state: foreign, allowModules: true })).rejects.toThrow(/is not the path of a module/);
    expect(globalThis).not.toHaveProperty('strangers');
    for (const given of [{ allowModules: true }, { augmentation }]) await prepareOptions({ store, state, ...given });
    expect(globalThis).toHaveProperty('strangers', 1);
  });
});

describe('bad pipelines are refused', () => {
  it.each([
    [{ augmentation: 'defualt' }, /augmentation: there is no preset "defualt"/],
    [{ augmentation: 7 }, /augmentation: 7 is not a pipeline/],
    [{ augmentation: [{ transform: 'rotate' }] }, /augmentation\[0\]: there is no transform "rotate"/],
    [{ augmentation: [{ transform: 'noise' }, null] }, /augmentation\[1\]: there is no transform/],
    [{ augmentation: [{ transform: 'noise', sigma: [2, 1] }] }, /augmentation\[0\]\.sigma/],
    [{ augmentation: [{ transform: 'noise', sigmas: 1 }] }, /augmentation\[0\].*sigmas/],
    [{ augmentation: [{ transform: 'blur', probability: 2 }] }, /augmentation\[0\]\.probability: 2 is not a probability/],
    [{ augmentation: [{ transform: 'spatial' }, { transform: 'spatial' }] }, /more than one spatial step/],
    [{ augmentation: [{ transform: 'custom', module: '/there/is/none.ts' }] }, /none\.ts: it cannot be imported/],
    [{ deepSupervision: [[1, 1, 1], [0.5]] }, /deepSupervision/],
    [{ deepSupervision: [[0.5, 0.5, 0.5]] }, /the first all 1/],
    [{ deepSupervision: 'yes' }, /deepSupervision/],
    [{ nnunetCompat: 1 }, /nnunetCompat: 1 is neither true nor false/],
    [{ regions: 'all' }, /regions: "all" is neither true nor false/],
  ])('%j', async (bad, message) => {
    const created = PatchLoader.create({ ...options, ...bad } as LoaderOptions);
    await expect(created).rejects.toThrow(OptionError);
    await expect(created).rejects.toThrow(message);
  });
});
