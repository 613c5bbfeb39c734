import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OptionError, VoxfeedError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { prepareOptions } from '../../src/loader/options/prepare.ts';
import type { LoaderState } from '../../src/loader/options/state.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { EXAMPLE_PLANS, EXAMPLES } from '../fixtures/paths.ts';
import { streamHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** nnU-Net's plans of the example cases, 2d and 3d_fullres, for small patches; their networks want other scales. */
function smallPlans(path: string): string {
  const plans = JSON.parse(readFileSync(EXAMPLE_PLANS, 'utf8'));
  const { '2d': flat, '3d_fullres': deep } = plans.configurations;
  Object.assign(deep, { patch_size: [12, 16, 12], batch_size: 2 });
  Object.assign(flat, { patch_size: [16, 16], batch_size: 4 });
  plans.configurations = { '2d': flat, '3d_fullres': deep };
  writeFileSync(path, JSON.stringify(plans));
  return path;
}

const dir = temporaryFolder();
await preprocess(EXAMPLES, join(dir, 'store'), { plans: smallPlans(join(dir, 'plans.json')), workers: 2 });
const store = await openStore(join(dir, 'store'));
const ids = store.cases.map(({ id }) => id);

/** Some of the values, or nothing. */
const maybe = <T>(...values: T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values);
const part = fc.record(
  {
    augmentation: maybe<LoaderOptions['augmentation']>('default', 'noMirroring', 'validation', [
      { transform: 'spatial', rotation: [-0.5, 0.5], rotationProbability: 0.5 },
      { transform: 'noise', probability: 0.5 },
    ]),
    deepSupervision: maybe<boolean>(true),
    oversample: maybe<LoaderOptions['oversample']>(1, [
      [0, 0],
      [4, 1],
    ]),
    probabilisticOversampling: maybe<boolean | 'realised'>(true, 'realised'),
    caseWeights: maybe({ [ids[3]]: 5, [ids[4]]: 0 }),
    classWeights: maybe({ Anterior: 3 }),
    exposure: maybe({ Anterior: 0.5 }),
    padMode: maybe<'reflect' | 'edge'>('reflect', 'edge'),
    nnunetCompat: maybe(true),
  },
  { noNullPrototype: true },
);
const sizes = fc.constantFrom<Partial<LoaderOptions>>(
  {},
  { config: '2d' },
  { config: '3d_fullres' },
  { config: '2d', batchSize: 3 },
  { patchSize: [10, 12, 8], batchSize: 2 },
  { patchSize: [10, 12], batchSize: 3 },
);
const entry = fc.tuple(sizes, part, fc.constantFrom(1, 2)).map(([size, rest, weight]) => ({ ...size, ...rest, weight }));
const alone = fc.tuple(sizes, part).map(([size, rest]) => ({ ...size, ...rest }));
const several = fc.array(entry, { minLength: 1, maxLength: 3 }).map((configs) => ({ configs }));
const common = fc.record(
  {
    seed: fc.nat(1000),
    fold: maybe<number | 'all'>(0, 1, 'all'),
    cases: maybe({ training: ids.slice(5), validation: ids.slice(0, 3) }),
    validation: maybe<LoaderOptions['validation']>(true, { augmentation: 'noMirroring' }, { exposure: { Anterior: 0.3 } }),
    epochs: maybe({ training: 7, validation: 3 }),
    rank: maybe(0),
    worldSize: maybe(2),
  },
  { noNullPrototype: true },
);
/** Options that go together, mostly. */
const combinations = fc
  .tuple(fc.oneof({ arbitrary: alone, weight: 2 }, several), common)
  .map(([streams, rest]): Omit<LoaderOptions, 'store'> => {
    const { fold, cases, worldSize, rank, validation, ...others } = rest;
    return {
      ...streams,
      ...others,
      workers: 1,
      ...(cases ? { cases } : { fold }),
      ...((cases || fold !== undefined) && { validation }),
      ...(worldSize && { worldSize, rank: rank ?? 1 }),
    } as Omit<LoaderOptions, 'store'>;
  });

const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value));

/** Hashes of the next batches of each stream. */
async function nextHashes(loader: PatchLoader, { validation }: LoaderOptions): Promise<string[][]> {
  return [await streamHashes(loader, 2), validation ? await streamHashes(loader.validation, 2) : []];
}

describe('a state', () => {
  it('goes on with the batches that would have come next, with the options repeated and without', async () => {
    const property = fc.asyncProperty(combinations, fc.nat(3), fc.nat(2), async (combination, trained, validated) => {
      const options = { store, ...combination };
      const first = await PatchLoader.create(options).catch((error) => {
        // Options that contradict each other are another test's.
        expect(error).toBeInstanceOf(OptionError);
        return null;
      });
      fc.pre(first !== null);
      await using before = first;
      await streamHashes(before, trained);
      if (options.validation) await streamHashes(before.validation, validated);
      const state = asJson(before.state());
      const expected = await nextHashes(before, options);
      const { rank } = options;
      for (const again of [
        { store, state, workers: 2, ...(rank !== undefined && { rank }) },
        { ...options, state },
      ]) {
        await using after = await PatchLoader.create(again);
        expect(after.state()).toEqual(state);
        expect(await nextHashes(after, options)).toEqual(expected);
      }
    });
    await fc.assert(property, { numRuns: 15, endOnFailure: true });
  }, 400_000);

  it('names the configuration that it was made from', async () => {
    await using loader = await PatchLoader.create({ store, config: '2d', deepSupervision: true, workers: 1 });
    const state = asJson(loader.state());
    expect(state).toMatchObject({ config: '2d', patchSize: [16, 16] });
    for (const again of [{ deepSupervision: true }, { config: '2d', deepSupervision: true }, { config: '2d' }]) {
      const { streams } = await prepareOptions({ store, state, ...again });
      expect(streams.common.deepSupervision).toEqual(state.deepSupervision);
    }
    await expect(prepareOptions({ store, state, config: '3d_fullres' })).rejects.toThrow(
      /it was saved with config "2d", the options say "3d_fullres"/,
    );
  });
});

const EVERYTHING: LoaderOptions = {
  store,
  configs: [
    { config: '2d', deepSupervision: true, augmentation: 'default' },
    { patchSize: [10, 12, 8], batchSize: 2, weight: 2 },
  ],
  cases: { training: ids.slice(5), validation: ids.slice(0, 3) },
  validation: true,
  workers: 1,
};

async function savedState(): Promise<LoaderState> {
  await using loader = await PatchLoader.create(EVERYTHING);
  return asJson(loader.state());
}
const whole = await savedState();

/** Every object within a state that is no option's own value, with the path to it. */
const parts = (state: LoaderState): [string, Record<string, unknown>][] =>
  [
    ['state.', state],
    ['state.configs[1].', state.configs?.[1]],
    ['state.validation.', state.validation],
    ['state.epochs.', state.epochs],
  ] as [string, Record<string, unknown>][];

/** Takes something from a copy of the state, or puts something in, and tries to go on. */
function changed(change: (state: LoaderState) => void): Promise<unknown> {
  const state = asJson(whole);
  change(state);
  return prepareOptions({ store, state });
}

describe('a damaged state', () => {
  it.each([
    ['null', null, 'null'],
    ['a list', [], 'a list'],
    ['a text', 'x', '"x"'],
    ['a number', 5, '5'],
  ])('that is %s is refused', async (_, state, shown) => {
    await expect(prepareOptions({ store, state: state as never })).rejects.toThrow(
      `state: it is not the state of a loader but ${shown}. Pass`,
    );
  });

  it('is refused by the name of what does not belong there', async () => {
    for (const [i, [path]] of parts(whole).entries())
      await expect(changed((state) => Object.assign(parts(state)[i][1], { extra: 1 }))).rejects.toThrow(`${path}extra: `);
  });

  it.each(['nextBatch', 'storeHash', 'patchSize', 'batchSize', 'seed'])('is refused by the name of what is missing: %s', async (name) => {
    await expect(changed((state) => delete (state as unknown as Record<string, unknown>)[name])).rejects.toThrow(
      `state.${name}: it is missing`,
    );
  });

  it('is refused with one sentence, or goes on, whatever stands in a field', async () => {
    const places = parts(whole).flatMap(([path, object], i) => Object.keys(object).map((name) => ({ i, name, path })));
    const odd = fc.oneof(
      fc.anything({ maxDepth: 2 }).map((value) => asJson(value ?? null)),
      fc.constantFrom(null, -1, 1.5, 1e300, '', [], {}, [[]], true, '3'),
    );
    const property = fc.asyncProperty(fc.constantFrom(...places), odd, async ({ i, name, path }, value) => {
      const error = await changed((state) => Object.assign(parts(state)[i][1], { [name]: value })).catch((reason) => reason);
      if (!(error instanceof Error)) return;
      expect(error, `${path}${name}`).toBeInstanceOf(VoxfeedError);
    });
    await fc.assert(property, { numRuns: 600 });
  });
});
